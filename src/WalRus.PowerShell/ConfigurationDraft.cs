using System.Collections;
using System.Management.Automation;
using System.Security;
using WalRus.Configuration;

namespace WalRus.Cmdlets;

/// <summary>A configuration in the making: sorts what it is given into settings, held secrets and names of secrets.</summary>
internal sealed class ConfigurationDraft
{
    private readonly Dictionary<string, string> settings = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<string, SecureString> secrets = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<string, string> names = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Nothing for null.</summary>
    public void Add(Setting setting, object? value) => Add(setting.Name, setting.IsSecret, value);

    public void Add(Setting user, Setting password, PSCredential? credential)
    {
        Add(user, credential?.UserName);
        Add(password, credential?.Password);
    }

    /// <summary>Every entry, under the name it was given; a PSCredential for a secret key or password gives the user too.</summary>
    public void AddAll(IDictionary? values)
    {
        foreach (DictionaryEntry entry in values ?? new Hashtable())
        {
            var name = entry.Key.ToString()!;
            Add(name, SettingCatalog.Find(name)?.IsSecret ?? false, entry.Value);
        }
    }

    public void AddNames(IDictionary? values)
    {
        foreach (DictionaryEntry entry in values ?? new Hashtable())
        {
            var setting = entry.Key.ToString()!;
            if (SettingCatalog.Find(setting) is null)
            {
                throw new WalRusException(ErrorCode.SettingInvalid, $"There is no setting '{setting}'.", "Test-WalRusConfiguration -All lists them.");
            }

            names[setting] = SessionSettings.TextOf(entry.Value);
        }
    }

    public WalRusConfiguration Finish(string? configFile, bool fromEnvironment, string? vault) => new(settings, secrets, names)
    {
        ConfigFile = configFile,
        FromEnvironment = fromEnvironment,
        VaultName = vault,
    };

    private void Add(string name, bool isSecret, object? value)
    {
        switch (value is PSObject wrapped ? wrapped.BaseObject : value)
        {
            case null:
                break;
            case SecureString secret:
                secrets[name] = SecretText.Copy(secret);
                settings.Remove(name);
                break;
            case var plain when isSecret:
                secrets[name] = SecretText.Protect(SessionSettings.TextOf(plain));
                break;
            case var plain:
                settings[name] = SessionSettings.TextOf(plain);
                secrets.Remove(name);
                break;
        }
    }
}
