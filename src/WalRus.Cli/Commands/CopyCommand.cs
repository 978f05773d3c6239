using System.Globalization;
using WalRus.Cli.CommandLine;
using WalRus.Cli.Terminal;
using WalRus.Configuration;
using WalRus.Transfer;

namespace WalRus.Cli.Commands;

/// <summary>
/// <c>walrus copy -f FROM -t TO [-b NAME] [-w]</c>: backups with their WAL from one archive to another. FROM and TO are
/// configuration files, as wal-g's, or places (s3://bucket/prefix, file:///folder) with the settings in force, as WAL-RUS's.
/// </summary>
internal static class CopyCommand
{
    public static Command Definition { get; } = new()
    {
        Name = "copy",
        Meaning = "Copy backups and their WAL to another archive",
        Options =
        [
            new("from", "the source: a configuration file or a place; without it the settings in force", 'f', "string"),
            new("to", "the target: a configuration file or a place such as s3://bucket/prefix", 't', "string"),
            new("backup-name", "this backup (or LATEST) and what it is a delta of; without it all", 'b', "string"),
            new("all", "every backup"),
            new("with-history", "all WAL since the backup, not only what the backup itself needs", 'w'),
            new("without-wal", "no WAL"),
            new("recode", "compress and encrypt as the target's settings say, instead of copying bytes"),
            new("force", "replace what the target holds and differs"),
            new("verify", "checksum: the store's or reading back (default); size; content: read everything back", null, "string"),
            new("dry-run", "only say what would be copied"),
        ],
        RunAsync = RunAsync,
    };

    private static async Task<int> RunAsync(Invocation call, CancellationToken cancellationToken)
    {
        if (call.Value("to") is not { Length: > 0 } to)
        {
            throw new UsageException("required flag(s) \"to\" not set", Definition);
        }

        var request = RequestOf(call);
        var from = call.Value("from");
        var source = WalRusEngine.Open(string.IsNullOrEmpty(from) ? call.Settings : SettingsAt(call, from), call.Log);
        await using var closeSource = source.ConfigureAwait(false);
        var target = WalRusEngine.Open(SettingsAt(call, to), call.Log);
        await using var closeTarget = target.ConfigureAwait(false);
        var copy = source.CreateArchiveCopy(target);
        var plan = await copy.PlanAsync(request, cancellationToken).ConfigureAwait(false);
        if (call.Has("dry-run"))
        {
            WritePlan(call, plan);
            return ExitCodes.Success;
        }

        using var progress = ProgressLine.OnTerminal(call.Log);
        var result = await copy.ExecuteAsync(plan, request with { Progress = progress }, cancellationToken).ConfigureAwait(false);
        progress?.Clear();
        call.Log.Info("CopyFinished", FormattableString.Invariant(
            $"Copied {result.ObjectsCopied} objects of {result.BytesCopied} bytes, {result.ObjectsKept} were there already"));
        return ExitCodes.Success;
    }

    private static ArchiveCopyRequest RequestOf(Invocation call)
    {
        var name = call.Value("backup-name");
        if (call.Has("all") && !string.IsNullOrEmpty(name))
        {
            throw new UsageException("--all and --backup-name exclude each other", Definition);
        }

        if (call.Has("with-history") && call.Has("without-wal"))
        {
            throw new UsageException("--with-history and --without-wal exclude each other", Definition);
        }

        return new ArchiveCopyRequest
        {
            Backups = string.IsNullOrEmpty(name) ? null : [name],
            Wal = call.Has("with-history") ? CopyWal.History : call.Has("without-wal") ? CopyWal.None : CopyWal.Window,
            Recode = call.Has("recode"),
            Overwrite = call.Has("force"),
            Verification = call.Value("verify") switch
            {
                null or "" or "checksum" => CopyVerification.Checksum,
                "size" => CopyVerification.Size,
                "content" => CopyVerification.Content,
                var other => throw new UsageException(
                    $"invalid argument \"{other}\" for \"--verify\" flag: it is none of checksum, size, content", Definition),
            },
        };
    }

    /// <summary>A place has "://" in it; all else is a file, which is then all the settings there are, as in wal-g.</summary>
    internal static WalRusSettings SettingsAt(Invocation call, string place) => place.Contains("://", StringComparison.Ordinal)
        ? StorageSettings.At(call.Settings, place)
        : WalRusSettings.Load(new SettingSources { ConfigFile = Path.GetFullPath(place), Turbo = call.Settings.Turbo });

    private static void WritePlan(Invocation call, ArchiveCopyPlan plan)
    {
        foreach (var warning in plan.Warnings)
        {
            call.Log.CopyWarning(warning);
        }

        var rows = plan.Backups.Select(one => (IReadOnlyList<string>)
        [
            one.Backup.Name.ToString(),
            one.IsListed ? "listed" : "new",
            one.IsAncestor ? "parent" : "asked",
            Number(one.ObjectCount),
            Number(one.SizeBytes),
            Number(one.WalObjectCount),
            Number(one.WalSizeBytes),
        ]);
        TextTable.WritePlain(call.Output, [["backup_name", "target", "why", "objects", "bytes", "wal_objects", "wal_bytes"], .. rows]);
        call.Log.Info("CopyPlanned", FormattableString.Invariant(
            $"Dry run: {plan.ObjectCount} objects of {plan.SizeBytes} bytes would be copied, {plan.WalObjectCount} of them WAL"));
    }

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}
