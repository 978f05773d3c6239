using System.Collections;
using System.Globalization;
using WalRus.Configuration;

namespace WalRus.Cmdlets;

/// <summary>The settings of a cmdlet: its parameters above the environment above the configuration file.</summary>
internal static class SessionSettings
{
    public static WalRusSettings Load(string? configFile, IDictionary? given)
    {
        var values = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (DictionaryEntry entry in given ?? new Hashtable())
        {
            values[entry.Key.ToString()!] = Convert.ToString(entry.Value, CultureInfo.InvariantCulture) ?? "";
        }

        return WalRusSettings.Load(SettingSources.FromProcess() with
        {
            Given = values,
            GivenAs = SettingOriginKind.Parameter,
            ConfigFile = configFile,
        });
    }
}
