using System.Collections;

namespace WalRus.Configuration;

/// <summary>
/// Everything settings are read from. Tests make one of their own; only <see cref="FromProcess"/> looks at the process.
/// </summary>
public sealed record SettingSources
{
    private static readonly Dictionary<string, string> None = [];

    /// <summary>Values of the caller by setting name (any of its names): flags or parameters. They win over all else.</summary>
    public IReadOnlyDictionary<string, string> Given { get; init; } = None;

    /// <summary>What <see cref="Given"/> is called in messages.</summary>
    public SettingOriginKind GivenAs { get; init; } = SettingOriginKind.Flag;

    public IReadOnlyDictionary<string, string> Environment { get; init; } = None;

    /// <summary><c>--config</c>; null to look for WALG_CONFIG_PATH, then for <c>.walg.*</c> in the home folder.</summary>
    public string? ConfigFile { get; init; }

    /// <summary>The folder that may hold <c>.walg.json</c> and so on; null to look nowhere.</summary>
    public string? HomeFolder { get; init; }

    /// <summary>Reads a file whole; null when there is none. Other failures are thrown as they are.</summary>
    public Func<string, byte[]?> ReadFile { get; init; } = ReadFromDisk;

    /// <summary><c>--turbo</c>: rate limits do not apply.</summary>
    public bool Turbo { get; init; }

    /// <summary>The environment and home folder of this process.</summary>
    public static SettingSources FromProcess()
    {
        var environment = new Dictionary<string, string>(
            OperatingSystem.IsWindows() ? StringComparer.OrdinalIgnoreCase : StringComparer.Ordinal);
        foreach (DictionaryEntry variable in System.Environment.GetEnvironmentVariables())
        {
            environment[(string)variable.Key] = (string?)variable.Value ?? "";
        }

        var home = environment.GetValueOrDefault(OperatingSystem.IsWindows() ? "USERPROFILE" : "HOME");
        return new SettingSources { Environment = environment, HomeFolder = string.IsNullOrEmpty(home) ? null : home };
    }

    private static byte[]? ReadFromDisk(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 0);
            if (file.Length > ConfigurationFile.MaxBytes)
            {
                throw new IOException($"it is larger than {ConfigurationFile.MaxBytes} bytes");
            }

            var content = new byte[file.Length];
            file.ReadExactly(content);
            return content;
        }
        catch (FileNotFoundException)
        {
            return null;
        }
        catch (DirectoryNotFoundException)
        {
            return null;
        }
    }
}
