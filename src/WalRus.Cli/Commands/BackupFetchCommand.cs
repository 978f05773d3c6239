using System.Globalization;
using WalRus.Archiving;
using WalRus.Backup;
using WalRus.Cli.CommandLine;
using WalRus.Cli.Terminal;
using WalRus.Configuration;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.WalG;

namespace WalRus.Cli.Commands;

/// <summary>
/// <c>walrus backup-fetch DESTINATION NAME</c>: restores as wal-g does; with a <c>--target-...</c> flag it also chooses the
/// backup (for LATEST or no name), checks that the WAL is there and writes the recovery settings.
/// </summary>
internal static class BackupFetchCommand
{
    public static Command Definition { get; } = new()
    {
        Name = "backup-fetch",
        Arguments = "destination_directory [backup_name | LATEST]",
        Meaning = "Restore a base backup and, with a target, set up recovery to it",
        MinimumArguments = 1,
        MaximumArguments = 2,
        Options =
        [
            new("mask", "only files that match this shell pattern", null, "pattern"),
            new("restore-spec", "wal-g's tablespace specification, a JSON file", null, "file"),
            new("target-user-data", "the backup with this user data", null, "json"),
            new("restore-only", "only these, separated by ',': database, database/table, database/schema.table", null, "list"),
            new("reverse-unpack", "no effect: each file is always taken from the newest backup that has it"),
            new("skip-redundant-tars", "no effect: tars with nothing that is needed are never read"),
            CommonOptions.TargetStorage,
            new("tablespace-mapping", "OID=DIRECTORY, several separated by ','", null, "map"),
            new("force", "empty a destination that holds a stopped data directory of the same cluster"),
            new("target-time", "recover to this time (RFC 3339)", null, "time"),
            new("target-lsn", "recover to this WAL position", null, "lsn"),
            new("target-name", "recover to this named restore point", null, "name"),
            new("target-xid", "recover to this transaction", null, "xid"),
            new("target-immediate", "recover until the backup is consistent"),
            new("target-exclusive", "stop just before the target"),
            new("target-timeline", "latest, current or a number", null, "timeline"),
            new("target-action", "pause, promote (the default) or shutdown", null, "action"),
            new("recover", "write recovery settings without a target: to the end of the archive"),
            new("standby", "make a standby"),
            new("restore-command", "restore_command to write; by default this executable", null, "command"),
            new("dry-run", "print the plan and do nothing"),
        ],
        RunAsync = RunAsync,
    };

    private static async Task<int> RunAsync(Invocation call, CancellationToken cancellationToken)
    {
        var recovery = Recovery(call);
        var engine = call.OpenEngine();
        await using var close = engine.ConfigureAwait(false);
        var name = await NameAsync(call, engine, recovery is not null, cancellationToken).ConfigureAwait(false);
        call.Log.Info(
            "SelectingBackup",
            name == BackupCatalog.Latest ? "Selecting the latest backup..." : $"Selecting the backup with name {name}...");
        call.Log.Info("SearchingBackup", $"Backup to fetch will be searched in storages: [{engine.Archive.Store.Name}]");
        RecoveryPlan? plan = null;
        if (recovery is not null)
        {
            // "LATEST" with a target means the newest that can reach it.
            plan = await engine.CreateRecoveryPlanner().RunAsync(
                new RecoveryPlanRequest { Target = recovery.Target, BackupName = name == BackupCatalog.Latest ? null : name },
                cancellationToken).ConfigureAwait(false);
            foreach (var warning in plan.Warnings)
            {
                call.Log.Warning("RecoveryPlan", warning);
            }
        }

        var backup = plan?.Backup ?? await engine.Backups.FindAsync(name, cancellationToken).ConfigureAwait(false);
        var request = new BackupFetchRequest
        {
            Name = backup.Name,
            Destination = call.Arguments[0],
            Tablespaces = Tablespaces(call),
            Force = call.Has("force"),
            Mask = call.Value("mask"),
            RestoreOnly = call.Value("restore-only")?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [],
            Recovery = recovery,
        };
        if (call.Has("dry-run"))
        {
            var chain = await engine.CreateBackupFetch().PlanAsync(request, cancellationToken).ConfigureAwait(false);
            PrintPlan(call, backup, chain, plan, recovery);
            return ExitCodes.Success;
        }

        using var progress = ProgressLine.OnTerminal(call.Log);
        var result = await engine.CreateBackupFetch()
            .RunAsync(request with { Progress = progress }, cancellationToken).ConfigureAwait(false);
        progress?.Clear();
        if (recovery is not null && call.Value("restore-command") is null)
        {
            SayWhatRestoreCommandNeeds(call, engine.Archive.Store);
        }

        call.Log.Info("BackupFetched", $"Backup extraction complete: {result.Name}, {result.FileCount} files, {result.Bytes} bytes");
        return ExitCodes.Success;
    }

    /// <summary>A name, "LATEST", or the name of the backup with the given user data: exactly one of the two selectors.</summary>
    private static async Task<string> NameAsync(
        Invocation call, WalRusEngine engine, bool hasTarget, CancellationToken cancellationToken)
    {
        var userData = UserData.Parse(call.Value("target-user-data", SettingCatalog.FetchTargetUserData), "--target-user-data");
        var named = call.Arguments.Count > 1 ? call.Arguments[1] : null;
        return (named, userData) switch
        {
            (not null, null) => named,
            (null, { } data) => (await engine.Backups.FindByUserDataAsync(data, cancellationToken).ConfigureAwait(false)).Name.ToString(),
            (null, null) when hasTarget => BackupCatalog.Latest,
            (null, null) => throw new UsageException("a backup's name, LATEST or --target-user-data is needed", Definition),
            _ => throw new WalRusException(
                ErrorCode.InvalidArgument, "A backup's name and --target-user-data (WALG_FETCH_TARGET_USER_DATA) exclude each other.", "Give one of them."),
        };
    }

    private static RecoverySettings? Recovery(Invocation call)
    {
        var target = new RecoveryTarget
        {
            Time = call.Value("target-time") is { } time ? ParseTime(time) : null,
            Lsn = call.Value("target-lsn") is { } lsn ? ParseLsn(lsn) : null,
            Name = call.Value("target-name"),
            Xid = call.Value("target-xid") is { } xid ? ParseXid(xid) : null,
            Immediate = call.Has("target-immediate"),
            Inclusive = !call.Has("target-exclusive"),
            Timeline = call.Value("target-timeline"),
        };
        var asked = target != new RecoveryTarget() || call.Has("recover") || call.Has("standby");
        return !asked ? null : new RecoverySettings
        {
            Target = target,
            Action = call.Value("target-action") is { } action ? ParseAction(action) : RecoveryAction.Promote,
            Standby = call.Has("standby"),
            RestoreCommand = call.Value("restore-command") ?? OwnRestoreCommand(call),
        };
    }

    private static string OwnRestoreCommand(Invocation call)
    {
        var self = SelfInvocation.Find() ?? new SelfInvocation(Application.Name, []);
        IEnumerable<string> flags = call.GlobalArguments();
        return RestoreCommand.ForProgram(
            [self.Program, .. self.Arguments], call.Has("standby") ? flags : flags.Prepend($"--{RestoreCommand.StopRecoveryFlag}"));
    }

    /// <summary>The server runs restore_command in its own environment, which may be another than this one.</summary>
    private static void SayWhatRestoreCommandNeeds(Invocation call, IObjectStore store)
    {
        var secrets = string.Join(", ", call.GivenSecrets().Select(secret => secret.Key));
        if (secrets.Length > 0)
        {
            call.Log.Warning(
                "RestoreCommandLacksSecrets",
                $"restore_command does not hold {secrets}, which must not stand in it: put them into the server's environment or a --config file.");
        }

        var needed = string.Join(", ", call.Settings.Effective
            .Where(value => value.Origin.Kind == SettingOriginKind.Environment && value.Setting.Support == SettingSupport.Supported
                && value.Setting.Group is not (SettingGroup.Postgres or SettingGroup.Backup)
                && (value.Setting.Group != SettingGroup.S3 || store.Location.StartsWith("s3:", StringComparison.Ordinal)))
            .Select(value => value.Origin.Name)
            .Distinct());
        if (needed.Length > 0)
        {
            call.Log.Info("RestoreCommandNeeds", $"The server must have these settings in its environment, as they are here: {needed}");
        }
    }

    private static IReadOnlyList<TablespaceTarget> Tablespaces(Invocation call)
    {
        if (call.Value("restore-spec") is { } file)
        {
            try
            {
                var spec = TablespaceSpec.ParseRestoreSpec(File.ReadAllBytes(file));
                return [.. spec.Entries.Select(entry => new TablespaceTarget(entry.Name, entry.Location))];
            }
            catch (IOException failed)
            {
                throw new WalRusException(ErrorCode.FileNotFound, $"'{file}' cannot be read: {failed.Message}", null, failed);
            }
        }

        return call.Value("tablespace-mapping") is not { } mapping ? [] :
            [.. mapping.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(pair => pair.Split('=', 2) is [var oid, var folder]
                ? new TablespaceTarget(oid, Path.GetFullPath(folder))
                : throw new WalRusException(
                    ErrorCode.TablespaceMappingInvalid, $"'{pair}' is not OID=DIRECTORY.", "For example --tablespace-mapping 16400=/mnt/ts1."))];
    }

    private static void PrintPlan(
        Invocation call, BackupDetail backup, RestorePlan chain, RecoveryPlan? plan, RecoverySettings? recovery)
    {
        var output = call.Output;
        output.WriteLine($"backup       {backup.Name}, finished {backup.FinishTime:yyyy-MM-ddTHH:mm:ssK}");
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"bytes        {chain.StoredBytes} to fetch, {chain.Steps.Sum(step => step.UncompressedSize)} to write"));
        foreach (var step in chain.Steps.Count > 1 || chain.SkippedBytes > 0 ? chain.Steps : [])
        {
            var files = step.FileCount is { } count ? FormattableString.Invariant($"{count} files of it in ") : "";
            var skipped = step.SkippedTarCount > 0
                ? FormattableString.Invariant($"; {step.SkippedTarCount} tars ({step.SkippedBytes} bytes) hold nothing needed")
                : "";
            output.WriteLine(FormattableString.Invariant(
                $"step         {step.Name}: {files}{step.TarCount} tars, {step.StoredBytes} bytes{skipped}"));
        }

        output.WriteLine($"destination  {Path.GetFullPath(call.Arguments[0])}");
        if (plan is not null && recovery is not null)
        {
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"WAL          {plan.FirstSegment} to {plan.LastSegment}: {plan.SegmentCount} segments, timeline {string.Join(" > ", plan.Timelines)}"));
            if (plan.Stop is { } stop)
            {
                output.WriteLine($"stop         {Describe(stop)}");
            }

            foreach (var (name, value) in RecoverySettingsWriter.Describe(recovery, backup.PgVersion))
            {
                output.WriteLine($"setting      {name} = {RecoverySettingsWriter.Quote(value)}");
            }
        }
    }

    private static string Describe(WalFact stop)
    {
        var what = stop.Kind == WalFactKind.RestorePoint ? $"restore point '{stop.Name}'"
            : FormattableString.Invariant($"{(stop.IsCommit ? "commit" : "abort")} of transaction {stop.Xid}");
        return FormattableString.Invariant($"{what} at {stop.Lsn}, {stop.Time:yyyy-MM-ddTHH:mm:ss.ffffffK}");
    }

    private static DateTimeOffset ParseTime(string text) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeLocal, out var time)
            ? time : throw Invalid("target-time", text, "a time such as 2026-11-24T09:55:00Z");

    private static Lsn ParseLsn(string text) =>
        Lsn.TryParse(text, out var lsn) ? lsn : throw Invalid("target-lsn", text, "a WAL position such as 16/B374D848");

    private static ulong ParseXid(string text) =>
        ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var xid)
            ? xid : throw Invalid("target-xid", text, "a transaction id");

    private static RecoveryAction ParseAction(string text) =>
        Enum.TryParse<RecoveryAction>(text, ignoreCase: true, out var action) && Enum.IsDefined(action)
            ? action : throw Invalid("target-action", text, "pause, promote or shutdown");

    private static WalRusException Invalid(string flag, string text, string expected) =>
        new(ErrorCode.RecoveryTargetInvalid, $"--{flag} '{text}' is not {expected}.");
}
