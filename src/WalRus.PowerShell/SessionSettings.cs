using System.Collections;
using System.Globalization;
using System.Management.Automation;
using System.Security;
using WalRus.Configuration;

namespace WalRus.Cmdlets;

/// <summary>
/// The settings of a cmdlet. Without a configuration: -Setting above the environment above the file. With one: -Setting above
/// its values, above the environment where it asks for that, above its file.
/// </summary>
internal static class SessionSettings
{
    /// <param name="secrets">What <see cref="SecretVault.Resolve"/> found for <paramref name="configuration"/>.</param>
    public static WalRusSettings Load(
        string? configFile,
        IDictionary? given,
        WalRusConfiguration? configuration = null,
        IReadOnlyDictionary<string, string>? secrets = null)
    {
        var values = configuration?.Reveal() ?? new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (name, value) in secrets ?? new Dictionary<string, string>())
        {
            values[name] = value;
        }

        foreach (DictionaryEntry entry in given ?? new Hashtable())
        {
            Replace(values, entry.Key.ToString()!, TextOf(entry.Value));
        }

        var process = configuration is null or { FromEnvironment: true } ? SettingSources.FromProcess() : new SettingSources();
        return WalRusSettings.Load(process with
        {
            Given = values,
            GivenAs = SettingOriginKind.Parameter,
            ConfigFile = configFile ?? configuration?.ConfigFile,
        });
    }

    /// <summary>A setting's value as text, whatever PowerShell's type for it.</summary>
    public static string TextOf(object? value) => (value is PSObject wrapped ? wrapped.BaseObject : value) switch
    {
        SecureString secret => SecretText.Reveal(secret),
        var other => Convert.ToString(other, CultureInfo.InvariantCulture) ?? "",
    };

    /// <summary>All names of a setting are one: what -Setting says must not lose to another name of the configuration.</summary>
    private static void Replace(Dictionary<string, string> values, string name, string text)
    {
        foreach (var known in SettingCatalog.Find(name)?.LookupNames ?? [])
        {
            values.Remove(known);
        }

        values[name] = text;
    }
}
