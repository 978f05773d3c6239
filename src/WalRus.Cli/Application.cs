using System.Reflection;
using System.Text;
using WalRus.Cli.CommandLine;
using WalRus.Cli.Commands;
using WalRus.Cli.Terminal;
using WalRus.Configuration;

namespace WalRus.Cli;

/// <summary>From arguments to an exit code: parses, reads settings, opens the log, runs one command, reports its failure.</summary>
/// <param name="standardOutput">Where data goes.</param>
/// <param name="standardError">Where log lines go; a function, since it is opened only when there is something to say.</param>
/// <param name="sources">Environment and home folder; flags are added here.</param>
internal sealed class Application(Stream standardOutput, Func<Stream> standardError, SettingSources sources)
{
    public const string Name = "walrus";

    /// <summary>Where content comes from that a command reads itself.</summary>
    public Func<Stream> OpenInput { get; init; } = Console.OpenStandardInput;

    private readonly HelpText help = new(Name, CommandTable.All);

    /// <summary>On this process' own streams and environment.</summary>
    public static Application OfProcess() =>
        new(Console.OpenStandardOutput(), Console.OpenStandardError, SettingSources.FromProcess());

    public async Task<int> RunAsync(string[] arguments, CancellationToken cancellationToken)
    {
        using var output = new StreamWriter(
            standardOutput, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), 4096) { NewLine = "\n" };
        ParsedCommandLine line;
        try
        {
            line = new CommandLineParser(CommandTable.All, Name).Parse(arguments);
        }
        catch (UsageException wrong)
        {
            return WrongUsage(wrong, output);
        }

        if (Answer(line, output) is { } exitCode)
        {
            return exitCode;
        }

        try
        {
            return await RunAsync(line, output, cancellationToken).ConfigureAwait(false);
        }
        catch (UsageException wrong)
        {
            return WrongUsage(wrong, output);
        }
    }

    private async Task<int> RunAsync(ParsedCommandLine line, StreamWriter output, CancellationToken cancellationToken)
    {
        ConsoleLog? log = null;
        try
        {
            var settings = Load();
            log = CreateLog(settings);
            var call = new Invocation(line, settings, log, output)
            {
                LoadAgain = Load,
                CreateLog = CreateLog,
                BinaryOutput = standardOutput,
                OpenInput = OpenInput,
            };
            return await line.Command!.RunAsync(call, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure) when (FailureReport.IsExpected(failure))
        {
            await output.FlushAsync(CancellationToken.None).ConfigureAwait(false);
            log ??= LogFactory.CreateDefault(line.Value("log-format"), standardError);
            FailureReport.Write(log, failure, cancellationToken.IsCancellationRequested);
            return ExitCodes.Of(failure, line);
        }
        finally
        {
            log?.Dispose();
        }

        WalRusSettings Load() => WalRusSettings.Load(sources with
        {
            Given = line.Settings,
            ConfigFile = line.Value("config"),
            Turbo = line.Has("turbo"),
        });

        ConsoleLog CreateLog(WalRusSettings settings) => LogFactory.Create(settings, line.Value("log-format"), standardError);
    }

    /// <summary>What needs no settings: --version, --help, no command at all.</summary>
    private int? Answer(ParsedCommandLine line, TextWriter output)
    {
        if (line.Command is null && line.Has("version"))
        {
            // wal-g's form: version, revision, build date (none: builds are reproducible), flavour.
            output.Write($"{Name} version {Version().Replace('+', '\t')}\t-\tPostgreSQL\n");
            return ExitCodes.Success;
        }

        if (line.Command is null)
        {
            help.Write(output);
            return ExitCodes.Success;
        }

        if (line.Has("help"))
        {
            output.Write($"{line.Command.Meaning}\n\n");
            help.Write(output, line.Command);
            return ExitCodes.Success;
        }

        return null;
    }

    /// <summary>wal-g says it on both streams: the bare words on standard output, and with the usage on standard error.</summary>
    private int WrongUsage(UsageException wrong, StreamWriter output)
    {
        using var errors = new StreamWriter(standardError(), output.Encoding, 1024);
        errors.Write($"Error: {wrong.Message}\n");
        if (wrong.Command is { } command)
        {
            help.Write(errors, command);
        }
        else
        {
            errors.Write($"Run '{Name} --help' for usage.\n");
        }

        output.Write($"{wrong.Message}\n");
        return ExitCodes.Failure;
    }

    /// <summary>Version and revision, as "0.1.0+revision".</summary>
    internal static string Version() =>
        typeof(Application).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";
}
