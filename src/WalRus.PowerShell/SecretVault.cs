using System.Management.Automation;
using System.Security;
using WalRus.Configuration;

namespace WalRus.Cmdlets;

/// <summary>Secrets by name, from whatever vault Get-Secret (Microsoft.PowerShell.SecretManagement) is registered for.</summary>
internal static class SecretVault
{
    private const string Command = "Get-Secret";

    /// <summary>The settings that a configuration has by name, resolved. Only on the pipeline's thread.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.SettingMissing"/>.</exception>
    public static IReadOnlyDictionary<string, string> Resolve(WalRusConfiguration configuration)
    {
        var values = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (setting, name) in configuration.SecretName)
        {
            Add(values, setting, name, Get(name, configuration.VaultName));
        }

        return values;
    }

    private static object Get(string name, string? vault)
    {
        using var shell = System.Management.Automation.PowerShell.Create(RunspaceMode.CurrentRunspace);
        shell.AddCommand(Command).AddParameter("Name", name).AddParameter("ErrorAction", ActionPreference.Stop);
        if (vault is not null)
        {
            shell.AddParameter("Vault", vault);
        }

        try
        {
            return shell.Invoke().Where(found => found is not null).Select(found => found.BaseObject).FirstOrDefault()
                ?? throw NotThere(name, vault, null);
        }
        catch (CommandNotFoundException missing)
        {
            throw new WalRusException(
                ErrorCode.SettingMissing,
                $"The secret '{name}' cannot be looked up: there is no {Command} here.",
                "Install-PSResource Microsoft.PowerShell.SecretManagement and a vault for it.",
                missing);
        }
        catch (Exception failure) when (failure is RuntimeException and not PipelineStoppedException)
        {
            throw NotThere(name, vault, failure);
        }
    }

    /// <summary>A credential gives its user too: the access key of a secret key, the user of a password.</summary>
    private static void Add(Dictionary<string, string> values, string setting, string name, object secret)
    {
        switch (secret)
        {
            case SecureString text:
                values[setting] = SecretText.Reveal(text);
                break;
            case string text:
                values[setting] = text;
                break;
            case PSCredential credential:
                values[setting] = SecretText.Reveal(credential.Password);
                if (UserOf(SettingCatalog.Find(setting)) is { } user)
                {
                    values[user.Name] = credential.UserName;
                }

                break;
            default:
                throw new WalRusException(
                    ErrorCode.SettingInvalid,
                    $"The secret '{name}' for {setting} is a {secret.GetType().Name}.",
                    "Store it as a SecureString, a string or a PSCredential.");
        }
    }

    private static Setting? UserOf(Setting? setting) =>
        setting == SettingCatalog.AwsSecretAccessKey ? SettingCatalog.AwsAccessKeyId
        : setting == SettingCatalog.PgPassword ? SettingCatalog.PgUser : null;

    /// <summary>The vault's own words: -ErrorAction Stop puts PowerShell's before them.</summary>
    private static string Reason(Exception failure) =>
        failure is IContainsErrorRecord { ErrorRecord.Exception: { } own } ? own.Message : failure.Message;

    private static WalRusException NotThere(string name, string? vault, Exception? failure) => new(
        ErrorCode.SettingMissing,
        $"{Command} has no secret '{name}'{(vault is null ? "" : $" in the vault '{vault}'")}{(failure is null ? "." : $": {Reason(failure)}")}",
        "Get-SecretInfo lists the secrets there are; Unlock-SecretVault opens a vault that asks for a password.",
        failure);
}
