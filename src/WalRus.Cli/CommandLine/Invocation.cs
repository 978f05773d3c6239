using WalRus.Cli.Service;
using WalRus.Cli.Terminal;
using WalRus.Configuration;

namespace WalRus.Cli.CommandLine;

/// <summary>What a command runs with.</summary>
internal sealed class Invocation(ParsedCommandLine line, WalRusSettings settings, ConsoleLog log, TextWriter output)
{
    public IReadOnlyList<string> Arguments => line.Arguments;

    public WalRusSettings Settings => settings;

    public ConsoleLog Log => log;

    /// <summary>Standard output: data only.</summary>
    public TextWriter Output => output;

    /// <summary>Standard output for bytes; nothing may be waiting in <see cref="Output"/>.</summary>
    public required Stream BinaryOutput { get; init; }

    /// <summary>Opens standard input.</summary>
    public required Func<Stream> OpenInput { get; init; }

    /// <summary>Reads the settings again, for a command that runs on while the configuration file changes.</summary>
    public required Func<WalRusSettings> LoadAgain { get; init; }

    /// <summary>Opens the log that settings ask for.</summary>
    public required Func<WalRusSettings, ConsoleLog> CreateLog { get; init; }

    /// <summary>The flag stands on the command line and is not switched off.</summary>
    public bool Has(string option) => line.Has(option);

    public string? Value(string option) => line.Value(option);

    /// <summary>wal-g's rule: a flag and its setting are OR-ed.</summary>
    public bool Has(string option, Setting setting) => line.Has(option) || settings.Boolean(setting);

    /// <summary>The flag's value, else the setting's.</summary>
    public string? Value(string option, Setting setting) => line.Value(option) is { Length: > 0 } text ? text : settings.Text(setting);

    /// <summary>
    /// Builds the engine. <c>--target-storage</c> may name the one store there is.
    /// </summary>
    public WalRusEngine OpenEngine()
    {
        if (line.Value("target-storage") is { Length: > 0 } storage && storage != "default")
        {
            throw new WalRusException(
                ErrorCode.SettingNotSupported,
                $"There is no storage '{storage}'.",
                "WalRus works on one store, which wal-g calls 'default'.");
        }

        var engine = WalRusEngine.Open(settings, log);
        IdleMemory.KeepLow();
        return engine;
    }

    /// <summary>
    /// The global flags of this call, for another process of ours: --config and each setting that was given as a flag,
    /// but no secrets, which every account of the machine could read in the list of processes.
    /// </summary>
    public IEnumerable<string> GlobalArguments()
    {
        if (line.Value("config") is { Length: > 0 } config)
        {
            // The other process may run in another folder.
            yield return $"--config={Path.GetFullPath(config)}";
        }

        if (line.Value("log-format") is { } format)
        {
            yield return $"--log-format={format}";
        }

        if (line.Has("turbo"))
        {
            yield return "--turbo";
        }

        foreach (var (name, value) in line.Settings)
        {
            if (SettingCatalog.Find(name) is { IsSecret: false })
            {
                yield return $"{Setting.FlagOf(name)}={value}";
            }
        }
    }

    /// <summary>Secrets given as flags, by setting name: for the environment of another process of ours.</summary>
    public IEnumerable<KeyValuePair<string, string>> GivenSecrets() =>
        line.Settings.Where(given => SettingCatalog.Find(given.Key) is { IsSecret: true });
}
