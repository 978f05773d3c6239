using System.Globalization;
using WalRus.Cli.CommandLine;
using WalRus.Cli.Terminal;
using WalRus.Configuration;
using WalRus.Transfer;
using WalRus.WalG;

namespace WalRus.Cli.Commands;

/// <summary><c>st transfer files|pg-wals|backups</c>, and <c>st copy</c>, which is the same without deleting.</summary>
internal static class StorageTransferCommands
{
    private static readonly IReadOnlyList<CommandOption> Flags =
    [
        .. CommonOptions.StorageTools,
        new("source", "the storage to take objects from: \"default\" or a name in WALG_FAILOVER_STORAGES", 's', "string"),
        new("from", "the source as a configuration file or a place, instead of --source", null, "string"),
        new("to", "the target as a configuration file or a place, instead of --target", null, "string"),
        new("overwrite", "replace what the target holds and differs", 'o'),
        new("preserve", "delete nothing at the source", 'p'),
        new("fail-fast", "end with the first failure"),
        new("force", "also parts of a backup that the source lists"),
        new("concurrency", "objects under way at the same time (default 10)", 'c', "int"),
        new("max-files", "the most objects of this run", 'm', "int"),
        new("appearance-checks", "how often a copied object is looked for before the source's is deleted (default 3)", null, "int"),
        new("appearance-checks-interval", "how long to wait between these (default 1s)", null, "duration"),
    ];

    public static IReadOnlyList<Command> All { get; } =
    [
        new()
        {
            Name = "st transfer",
            Arguments = "files|pg-wals|backups ...",
            Meaning = "Move objects from one storage to another",
            MaximumArguments = int.MaxValue,
            Options = Flags,
            RunAsync = (_, _) => throw new UsageException("say what to move: st transfer files, pg-wals or backups"),
            Subcommands =
            [
                new()
                {
                    Name = "st transfer files",
                    Arguments = "prefix",
                    Meaning = "An object, or all below a folder; whole backups where they are among them",
                    MinimumArguments = 1,
                    MaximumArguments = 1,
                    Options = Flags,
                    RunAsync = (call, token) => TransferAsync(call, RequestOf(call) with { Path = call.Arguments[0] }, token),
                },
                new()
                {
                    Name = "st transfer pg-wals",
                    Meaning = "All WAL files",
                    Options = Flags,
                    RunAsync = (call, token) => TransferAsync(call, RequestOf(call) with { Path = WalGLayout.WalFolder }, token),
                },
                new()
                {
                    Name = "st transfer backups",
                    Arguments = "[name]",
                    Meaning = "Whole backups with those that stand on them, or one and its parents",
                    MaximumArguments = 1,
                    Options = [.. Flags, new("max-backups", "the most backups of this run", null, "int")],
                    RunAsync = (call, token) => TransferAsync(
                        call, RequestOf(call) with { Backup = call.Arguments.Count > 0 ? call.Arguments[0] : null }, token),
                },
            ],
        },
        new()
        {
            Name = "st copy",
            Meaning = "Copy objects key for key to another storage",
            Options =
            [
                new("from", "the source: a configuration file or a place; without it the settings in force", null, "string"),
                new("to", "the target: a configuration file or a place", null, "string"),
                new("prefix", "only what lies there", 'p', "string"),
                new("decrypt-source", "not available here: walrus copy --recode", 'd'),
                new("encrypt-source", "not available here: walrus copy --recode", 'e'),
            ],
            RunAsync = CopyAsync,
        },
    ];

    private static Task<int> CopyAsync(Invocation call, CancellationToken cancellationToken) =>
        call.Has("decrypt-source") || call.Has("encrypt-source")
            ? throw new WalRusException(
                ErrorCode.InvalidArgument,
                "st copy copies bytes as they are; nothing was done.",
                "walrus copy --recode decrypts with the source's settings and encrypts with the target's.")
            : call.Value("to") is not { Length: > 0 } ? throw new UsageException("required flag(s) \"to\" not set")
            : TransferAsync(
                call,
                new StoreTransferRequest { Path = call.Value("prefix") ?? "", Preserve = true, Overwrite = true, Force = true },
                cancellationToken);

    private static async Task<int> TransferAsync(Invocation call, StoreTransferRequest request, CancellationToken cancellationToken)
    {
        var source = WalRusEngine.Open(SourceOf(call), call.Log);
        await using var closeSource = source.ConfigureAwait(false);
        var target = WalRusEngine.Open(TargetOf(call), call.Log);
        await using var closeTarget = target.ConfigureAwait(false);
        using var progress = ProgressLine.OnTerminal(call.Log);
        await source.CreateStoreTransfer(target).RunAsync(request with { Progress = progress }, cancellationToken).ConfigureAwait(false);
        return ExitCodes.Success;
    }

    private static WalRusSettings SourceOf(Invocation call)
    {
        if (call.Value("from") is { Length: > 0 } from)
        {
            return CopyCommand.SettingsAt(call, from);
        }

        var name = call.Value("source");
        return string.IsNullOrEmpty(name) && call.Value("to") is not { Length: > 0 }
            ? throw new UsageException("required flag(s) \"source\" not set")
            : StorageSettings.Of(call.Settings, string.IsNullOrEmpty(name) ? StorageSettings.Primary : name);
    }

    private static WalRusSettings TargetOf(Invocation call)
    {
        if (call.Value("to") is { Length: > 0 } to)
        {
            return CopyCommand.SettingsAt(call, to);
        }

        var name = StorageToolsCommand.TargetOf(call);
        return name == StorageSettings.All
            ? throw new UsageException("an explicit target storage must be specified: 'all' is none")
            : StorageSettings.Of(call.Settings, name);
    }

    private static StoreTransferRequest RequestOf(Invocation call) => new()
    {
        Overwrite = call.Has("overwrite"),
        Preserve = call.Has("preserve"),
        FailFast = call.Has("fail-fast"),
        Force = call.Has("force"),
        Lanes = Number(call, "concurrency", 10, 1),
        MaxObjects = Number(call, "max-files", int.MaxValue, 1),
        MaxBackups = Number(call, "max-backups", int.MaxValue, 1),
        AppearanceChecks = Number(call, "appearance-checks", 3, 0),
        AppearanceInterval = call.Value("appearance-checks-interval") is { Length: > 0 } text
            ? SettingText.TryDuration(text, out var interval) && interval >= TimeSpan.Zero ? interval
                : throw new UsageException($"invalid argument \"{text}\" for \"--appearance-checks-interval\" flag: it is no duration such as 1s")
            : TimeSpan.FromSeconds(1),
    };

    private static int Number(Invocation call, string option, int standard, int least) => call.Value(option) is not { Length: > 0 } text
        ? standard
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least ? number
        : throw new UsageException(FormattableString.Invariant($"invalid argument \"{text}\" for \"--{option}\" flag: it is no number from {least} on"));
}
