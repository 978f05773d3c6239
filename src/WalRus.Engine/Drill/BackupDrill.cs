using System.Diagnostics;
using System.Globalization;
using WalRus.Archiving;
using WalRus.Backup;
using WalRus.Streaming;
using WalRus.Wal;

namespace WalRus.Drill;

/// <summary>
/// The restore drill: restores a backup into a folder of its own, recovers it on a throwaway server that can touch
/// nobody, examines it, and removes everything. The archive is only read.
/// </summary>
public sealed class BackupDrill
{
    private readonly Archive archive;
    private readonly BackupFetchOptions fetchOptions;
    private readonly WalFetchOptions walOptions;
    private readonly NativeBufferPool buffers;
    private readonly IEventLog log;

    public BackupDrill(
        Archive archive, BackupFetchOptions fetchOptions, WalFetchOptions walOptions, NativeBufferPool buffers, IEventLog log)
    {
        this.archive = archive;
        this.fetchOptions = fetchOptions with { Fsync = false };
        this.walOptions = walOptions with { PrefetchFolder = null };
        this.buffers = buffers;
        this.log = log;
    }

    /// <summary>What <see cref="RunAsync"/> would do; changes nothing.</summary>
    /// <exception cref="WalRusException">What keeps the drill from starting, and what is wrong with the backup.</exception>
    public Task<BackupDrillPlan> PlanAsync(BackupDrillRequest request, CancellationToken cancellationToken) =>
        new BackupDrillPlanner(archive, log).RunAsync(request, cancellationToken);

    /// <summary>Carries the drill out. What is wrong with the backup is in the result.</summary>
    /// <exception cref="WalRusException">
    /// What says nothing about the backup: no such backup, no PostgreSQL of its version, no room
    /// (<see cref="ErrorCode.DiskFull"/>), a store that cannot be reached. Nothing is left then.
    /// </exception>
    public async Task<BackupDrillResult> RunAsync(BackupDrillRequest request, CancellationToken cancellationToken)
    {
        using var limit = new Deadline(request.Timeout, cancellationToken);
        var run = new DrillRun(this, request, limit);
        return await run.RunAsync().ConfigureAwait(false);
    }

    /// <summary>"consistency", "2026-05-01 10:00:00Z" and so on: for logs, results and reports.</summary>
    internal static string Describe(RecoveryTarget target)
    {
        var text = target switch
        {
            { Immediate: true } => "consistency",
            { Time: { } time } => time.ToUniversalTime().ToString("yyyy-MM-dd HH:mm:ss.FFFFFF'Z'", CultureInfo.InvariantCulture),
            { Lsn: { } lsn } => $"LSN {lsn}",
            { Name: { } name } => $"restore point '{name}'",
            { Xid: { } xid } => string.Create(CultureInfo.InvariantCulture, $"transaction {xid}"),
            _ => "the end of the archive",
        };
        return target.Timeline is { } timeline ? $"{text}, timeline {timeline}" : text;
    }

    private static string Segments(long count) => string.Create(
        CultureInfo.InvariantCulture,
        $"{count} segment{(count == 1 ? "" : "s")}");

    /// <summary>One drill under way.</summary>
    private sealed class DrillRun(BackupDrill owner, BackupDrillRequest request, Deadline limit)
    {
        private readonly DrillPhases phases = new(limit, request.Timeout, request.Progress, owner.log);
        private readonly Stopwatch watch = Stopwatch.StartNew();
        private readonly DateTimeOffset startTime = DateTimeOffset.UtcNow;
        private BackupDrillPlan? plan;
        private DrillWorkspace? space;
        private BackupFetchResult? restored;
        private DrillWalSource? wal;
        private RecoveredFacts? facts;
        private QueryCheck? queries;
        private RowCountCheck? rows;
        private bool isKept;

        public async Task<BackupDrillResult> RunAsync()
        {
            try
            {
                if (await phases.RunAsync(DrillPhaseName.Plan, PlanAsync).ConfigureAwait(false))
                {
                    await DrillAsync().ConfigureAwait(false);
                }

                isKept = request.KeepOnFailure && phases.HasFailed && space is not null;
            }
            finally
            {
                await CleanUpAsync().ConfigureAwait(false);
            }

            SkipRest();
            return Result();
        }

        private async Task<DrillFinding> PlanAsync()
        {
            plan = await owner.PlanAsync(request, limit.Token).ConfigureAwait(false);
            if (!plan.HasRoom)
            {
                throw new WalRusException(
                    ErrorCode.DiskFull,
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"The drill needs about {plan.NeededBytes} bytes in '{request.ParentFolder}', which has {plan.FreeBytes} free."),
                    "Give a work folder on a larger disk.");
            }

            owner.log.DrillStarted(plan.Backup.Name.ToString(), request.ParentFolder, Describe(request.Target));
            return DrillFinding.Passed(string.Join(' ', [
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"The WAL is archived: {Segments(plan.Recovery.SegmentCount)} from {plan.Recovery.FirstSegment}."),
                .. plan.Recovery.Warnings]));
        }

        private async Task DrillAsync()
        {
            space = DrillWorkspace.Create(request.ParentFolder, request.AccountWhenRoot);
            var server = new DrillServer(request, space, plan!.Installation, plan.Backup.PgVersion / 10000);
            await using (server.ConfigureAwait(false))
            {
                await server.CheckProgramsAsync(limit.Token).ConfigureAwait(false);
                wal = new DrillWalSource(
                    new WalFetch(owner.archive, owner.walOptions, owner.buffers, owner.log),
                    space,
                    plan.Recovery.SegmentCount * plan.Recovery.SegmentSize.Bytes,
                    request.Progress,
                    limit.Token);
                await using (wal.ConfigureAwait(false))
                {
                    await ExamineAsync(server).ConfigureAwait(false);
                }
            }
        }

        /// <summary>Each step needs those before it; what only judges the data does not keep the next from judging it too.</summary>
        private async Task ExamineAsync(DrillServer server)
        {
            if (!await phases.RunAsync(DrillPhaseName.Restore, RestoreAsync).ConfigureAwait(false)
                || !await phases.RunAsync(DrillPhaseName.Recover, () => RecoverAsync(server)).ConfigureAwait(false)
                || !await phases.RunAsync(DrillPhaseName.Isolation, () => IsolateAsync(server)).ConfigureAwait(false))
            {
                return;
            }

            var connection = server.Connection;
            if (request.Structure)
            {
                var check = new StructureCheck(connection, request.HeapAllIndexed, request.Progress);
                await phases.RunAsync(DrillPhaseName.Structure, () => check.RunAsync(limit.Token))
                    .ConfigureAwait(false);
            }

            if (request.Queries.Count > 0)
            {
                queries = new QueryCheck(connection, request.Queries);
                await phases.RunAsync(DrillPhaseName.Query, () => queries.RunAsync(limit.Token)).ConfigureAwait(false);
            }

            if (BackupDrillPlanner.IsAsked(DrillPhaseName.RowCount, request))
            {
                rows = new RowCountCheck(connection, request.Baseline, request.TolerancePercent, request.Progress);
                await phases.RunAsync(DrillPhaseName.RowCount, () => rows.RunAsync(limit.Token)).ConfigureAwait(false);
            }

            if (await phases.RunAsync(DrillPhaseName.Stop, () => StopAsync(server))
                .ConfigureAwait(false) && request.Checksums)
            {
                var check = new ChecksumCheck(server, space!, facts!);
                await phases.RunAsync(DrillPhaseName.Checksum, () => check.RunAsync(limit.Token)).ConfigureAwait(false);
            }
        }

        private async Task<DrillFinding> RestoreAsync()
        {
            var tablespaces = await TablespacesAsync().ConfigureAwait(false);
            restored = await new BackupFetch(owner.archive, owner.fetchOptions, owner.buffers, owner.log).RunAsync(
                new BackupFetchRequest
                {
                    Name = plan!.Backup.Name,
                    Destination = space!.Data,
                    Tablespaces = tablespaces,
                    Progress = request.Progress,
                    Recovery = new RecoverySettings { Target = request.Target, RestoreCommand = wal!.RestoreCommand },
                },
                limit.Token).ConfigureAwait(false);
            return DrillFinding.Passed(string.Create(
                CultureInfo.InvariantCulture,
                $"{restored.FileCount} files, {restored.Bytes} bytes"));
        }

        /// <summary>Every tablespace goes below the drill's folder, never to where the original's is.</summary>
        private async Task<IReadOnlyList<TablespaceTarget>> TablespacesAsync()
        {
            var sentinel = await new BackupCatalog(owner.archive).ReadSentinelAsync(plan!.Backup.Name, limit.Token)
                .ConfigureAwait(false);
            if (sentinel?.Tablespaces is not { Entries.Count: > 0 } spec)
            {
                return [];
            }

            space!.MakeFolder(Path.Combine(space.Root, "tablespaces"));
            return [.. spec.Entries.Select(entry => new TablespaceTarget(entry.Name, space.Tablespace(entry.Name)))];
        }

        private async Task<DrillFinding> RecoverAsync(DrillServer server)
        {
            server.Configure(restored!.RecoverySettings);
            wal!.Start();
            try
            {
                await server.StartAsync(limit.Token).ConfigureAwait(false);
            }
            catch (WalRusException failed) when (failed.Code == ErrorCode.DrillFailed && wal.Failure is { } reason)
            {
                // The server only knows that its restore_command failed.
                throw new WalRusException(
                    reason.Code, $"Replay stopped at WAL that cannot be read: {reason.Message}", reason.Hint, reason);
            }

            return DrillFinding.Passed(string.Create(
                CultureInfo.InvariantCulture, $"Recovered to {Describe(request.Target)}: replay read {Segments(wal.SegmentCount)}"));
        }

        private async Task<DrillFinding> IsolateAsync(DrillServer server)
        {
            facts = await IsolationCheck.RunAsync(server.Connection, request, plan!.Backup.SystemIdentifier, limit.Token)
                .ConfigureAwait(false);
            return DrillFinding.Passed("archive_mode is off; the server follows nobody and listens to nobody else");
        }

        private async Task<DrillFinding> StopAsync(DrillServer server)
        {
            await server.StopAsync(limit.Token).ConfigureAwait(false);
            return DrillFinding.Passed("Shut down cleanly");
        }

        private async Task CleanUpAsync()
        {
            if (space is null || isKept)
            {
                return;
            }

            var cleaning = Stopwatch.StartNew();
            if (await space.RemoveAsync().ConfigureAwait(false) is { } left)
            {
                owner.log.DrillLeftovers(space.Root, left);
                phases.Add(new DrillPhase(DrillPhaseName.CleanUp, DrillOutcome.Failed, cleaning.Elapsed, left, ErrorCode.FileFailed, "Remove it by hand."));
            }
            else
            {
                phases.Add(new DrillPhase(DrillPhaseName.CleanUp, DrillOutcome.Passed, cleaning.Elapsed, "Nothing is left"));
            }
        }

        private void SkipRest()
        {
            foreach (var phase in Enum.GetValues<DrillPhaseName>().Where(name => phases.All.All(done => done.Name != name)))
            {
                phases.Skip(phase, phase switch
                {
                    DrillPhaseName.CleanUp when isKept => "Kept, as asked",
                    DrillPhaseName.CleanUp => "There was nothing to remove",
                    _ when !BackupDrillPlanner.IsAsked(phase, request) => "Not asked for",
                    _ => $"{phases.All.First(done => done.Outcome == DrillOutcome.Failed).Name} failed",
                });
            }
        }

        private BackupDrillResult Result() => new()
        {
            BackupName = plan?.Backup.Name.ToString() ?? request.BackupName,
            Status = phases.HasFailed ? DrillOutcome.Failed : DrillOutcome.Passed,
            StartTime = startTime,
            Duration = watch.Elapsed,
            Phases = [.. phases.All.OrderBy(phase => phase.Name)],
            BackupFinishTime = plan?.Backup.FinishTime,
            SystemIdentifier = plan?.Backup.SystemIdentifier,
            ServerVersion = facts?.Version,
            Target = Describe(request.Target),
            RestoredBytes = restored?.Bytes ?? 0,
            FileCount = restored?.FileCount ?? 0,
            WalSegmentCount = wal?.SegmentCount ?? 0,
            WalBytes = wal?.Bytes ?? 0,
            RecoveredLsn = facts?.Lsn,
            RecoveredTime = facts?.LastCommit,
            Queries = queries?.Results ?? [],
            RowCounts = rows?.Counts ?? new Dictionary<string, long>(),
            KeptFolder = isKept ? space!.Root : null,
        };
    }
}
