using System.Collections;
using System.Collections.ObjectModel;
using System.Management.Automation;
using System.Security;
using WalRus.Configuration;

namespace WalRus.Cmdlets;

/// <summary>
/// Settings as one object: what New-WalRusConfiguration makes and -Configuration takes. Immutable. Secrets are held apart as
/// SecureStrings or as names in a vault: no property has one, so printing, exporting and serializing show none.
/// </summary>
public sealed class WalRusConfiguration
{
    private readonly IReadOnlyDictionary<string, SecureString> secrets;

    internal WalRusConfiguration(
        IReadOnlyDictionary<string, string> settings,
        IReadOnlyDictionary<string, SecureString> secrets,
        IReadOnlyDictionary<string, string> secretNames)
    {
        this.secrets = secrets;
        Setting = ReadOnly(settings);
        SecretName = ReadOnly(secretNames);
        HeldSecret = [.. secrets.Keys.Order(StringComparer.Ordinal)];
    }

    /// <summary>Where the archive is, a password in it masked; null when the file or the environment is to say.</summary>
    public string? Prefix => Shown(SettingCatalog.S3Prefix) ?? Shown(SettingCatalog.FilePrefix);

    /// <summary>The configuration file, or null.</summary>
    public string? ConfigFile { get; init; }

    /// <summary>The environment (and, without <see cref="ConfigFile"/>, wal-g's default file) is read too, at each use.</summary>
    public bool FromEnvironment { get; init; }

    /// <summary>Settings that are no secrets.</summary>
    public IReadOnlyDictionary<string, string> Setting { get; }

    /// <summary>Settings whose value Get-Secret gives at each use, with the secret's name.</summary>
    public IReadOnlyDictionary<string, string> SecretName { get; }

    /// <summary>The vault of <see cref="SecretName"/>; null for the default one.</summary>
    public string? VaultName { get; init; }

    /// <summary>Settings whose secret value this object holds. The values do not leave this process with it.</summary>
    public IReadOnlyList<string> HeldSecret { get; }

    /// <inheritdoc/>
    public override string ToString() => Prefix ?? ConfigFile ?? (FromEnvironment ? "environment" : "empty");

    /// <summary>Every value this configuration gives, held secrets in plain text: for the engine only.</summary>
    internal Dictionary<string, string> Reveal()
    {
        var values = new Dictionary<string, string>(Setting, StringComparer.OrdinalIgnoreCase);
        foreach (var (name, secret) in secrets)
        {
            values[name] = SecretText.Reveal(secret);
        }

        return values;
    }

    /// <summary>The configuration that a job or a remote session received as properties.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.SettingMissing"/> when it held secrets: they stayed behind.</exception>
    internal static WalRusConfiguration FromProperties(PSObject received)
    {
        var lost = Property<IEnumerable>(received, nameof(HeldSecret))?.Cast<object>().ToArray() ?? [];
        if (lost.Length > 0)
        {
            throw new WalRusException(
                ErrorCode.SettingMissing,
                $"This configuration came from another process without its secrets ({string.Join(", ", lost)}).",
                "Call New-WalRusConfiguration there, or name the secrets with -SecretName.");
        }

        return new WalRusConfiguration(
            Texts(received, nameof(Setting)), new Dictionary<string, SecureString>(), Texts(received, nameof(SecretName)))
        {
            ConfigFile = Property<string>(received, nameof(ConfigFile)),
            FromEnvironment = Property<object>(received, nameof(FromEnvironment)) is true,
            VaultName = Property<string>(received, nameof(VaultName)),
        };
    }

    private static T? Property<T>(PSObject received, string name)
        where T : class
    {
        var value = received.Properties[name]?.Value;
        return (value is PSObject wrapped ? wrapped.BaseObject : value) as T;
    }

    private static Dictionary<string, string> Texts(PSObject received, string name) =>
        Property<IDictionary>(received, name)?.Cast<DictionaryEntry>().ToDictionary(
            entry => entry.Key.ToString()!, entry => entry.Value?.ToString() ?? "", StringComparer.OrdinalIgnoreCase) ?? [];

    private static ReadOnlyDictionary<string, string> ReadOnly(IReadOnlyDictionary<string, string> values) =>
        new(new SortedDictionary<string, string>(values.ToDictionary(), StringComparer.OrdinalIgnoreCase));

    private string? Shown(Setting setting) => setting.LookupNames.Select(name => Setting.GetValueOrDefault(name))
        .Where(text => text is not null)
        .Select(text => new SettingValue(setting, text, SettingOrigin.Default).Shown).FirstOrDefault();
}
