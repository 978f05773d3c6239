namespace WalRus;

/// <summary>
/// Every event the engine reports, by name. Message texts follow wal-g's fragments where scripts are known to look for
/// them (wal-g's documentation, "commands"). Grouped by the folder that reports them; add to the end of your group.
/// </summary>
public static class LogEvents
{
    private static void Write(IEventLog log, EventLevel level, string name, FormattableString message)
    {
        if (log.IsEnabled(level))
        {
            log.Write(new LogEvent(level, name, FormattableString.Invariant(message)));
        }
    }

    // Storage
    public static void StoreRetry(this IEventLog log, string operation, int attempt, TimeSpan delay, string reason) =>
        Write(log, EventLevel.Warning, nameof(StoreRetry),
            $"{operation} failed (attempt {attempt}): {reason}; trying again in {delay.TotalSeconds:0.0} s");

    public static void UploadLeft(this IEventLog log, string key, string uploadId, string reason) =>
        Write(log, EventLevel.Warning, nameof(UploadLeft),
            $"The unfinished upload {uploadId} of {key} could not be removed: {reason}");

    // Archiving
    public static void BackupMetadataUnreadable(this IEventLog log, string backup, string reason) =>
        Write(log, EventLevel.Warning, nameof(BackupMetadataUnreadable),
            $"{reason} {backup} is described by its sentinel and counts as permanent");

    // Retention
    public static void BackupKeptUnread(this IEventLog log, string backup, string reason) =>
        Write(log, EventLevel.Warning, nameof(BackupKeptUnread),
            $"{backup} is kept, with all it could need: {reason}");

    public static void TimelinePastUnknown(this IEventLog log, string history, string reason) =>
        Write(log, EventLevel.Warning, nameof(TimelinePastUnknown),
            $"{history} cannot be read, so its timeline counts as a branch of every lower one: {reason}");

    // Wal
    public static void WalPushed(this IEventLog log, string name, long bytesIn, long bytesOut) =>
        Write(log, EventLevel.Info, nameof(WalPushed), $"Archived {name}: {bytesIn} bytes, {bytesOut} stored");

    public static void NeighbourFailed(this IEventLog log, string name, string reason) =>
        Write(log, EventLevel.Warning, nameof(NeighbourFailed), $"Pushing {name} ahead failed: {reason}");

    public static void WalFetched(this IEventLog log, string name, string source) =>
        Write(log, EventLevel.Info, nameof(WalFetched), $"Fetched {name} from {source}");

    public static void PrefetchedUnusable(this IEventLog log, string name, string reason) =>
        Write(log, EventLevel.Warning, nameof(PrefetchedUnusable), $"The prefetched {name} cannot be used: {reason}");

    public static void PrefetchFailed(this IEventLog log, string name, string reason) =>
        Write(log, EventLevel.Debug, nameof(PrefetchFailed), $"Prefetching {name} failed: {reason}");

    public static void WalDeltaNotRecorded(this IEventLog log, string segment, string reason) =>
        Write(log, EventLevel.Warning, nameof(WalDeltaNotRecorded), $"What {segment} changes was not recorded: {reason}");

    public static void WalDeltaNotStored(this IEventLog log, string name, string reason) =>
        Write(log, EventLevel.Warning, nameof(WalDeltaNotStored), $"{name} was not stored, a delta backup will read the WAL instead: {reason}");

    public static void WalDeltaStored(this IEventLog log, string name) =>
        Write(log, EventLevel.Info, nameof(WalDeltaStored), $"Stored {name}");

    // Wal: receive
    public static void ReceiveStarted(this IEventLog log, string server, string point, string slot) =>
        Write(log, EventLevel.Info, nameof(ReceiveStarted), $"Receiving WAL of {server} from {point}, slot {slot}");

    public static void ReceiveSlotCreated(this IEventLog log, string slot, bool wasThere) =>
        Write(log, wasThere ? EventLevel.Warning : EventLevel.Info, nameof(ReceiveSlotCreated),
            $"Created the replication slot {slot}{(wasThere ? ", which this server does not have any more" : "")}");

    public static void ReceiveWaiting(this IEventLog log, TimeSpan wait, string reason) =>
        Write(log, EventLevel.Warning, nameof(ReceiveWaiting), $"{reason.TrimEnd('.')}; receiving goes on in {wait.TotalSeconds:0.0} s");

    public static void ReceiveStoreWaiting(this IEventLog log, string name, TimeSpan wait, string reason) =>
        Write(log, EventLevel.Warning, nameof(ReceiveStoreWaiting),
            $"Storing {name} failed: {reason}; it is kept here and tried again in {wait.TotalSeconds:0} s");

    public static void ReceivePaused(this IEventLog log, int segments) =>
        Write(log, EventLevel.Warning, nameof(ReceivePaused),
            $"{segments} finished segments wait for the store: receiving pauses, and the server keeps its WAL, until one is stored");

    public static void ReceiveGoesOn(this IEventLog log) =>
        Write(log, EventLevel.Info, nameof(ReceiveGoesOn), $"A segment was stored: receiving goes on");

    public static void ReceiveTimelineEnded(this IEventLog log, string from, string to, string position) =>
        Write(log, EventLevel.Info, nameof(ReceiveTimelineEnded), $"The server has left timeline {from} for {to} at {position}");

    public static void ReceiveHistoryMissing(this IEventLog log, string name) =>
        Write(log, EventLevel.Warning, nameof(ReceiveHistoryMissing), $"The server does not have {name}: it is not archived");

    public static void ReceiveLaterTimeline(this IEventLog log, string timeline, string later) =>
        Write(log, EventLevel.Warning, nameof(ReceiveLaterTimeline),
            $"The server is on timeline {timeline}, and the archive knows timeline {later}: make sure that this is the present primary");

    public static void ReceiveGapSkipped(this IEventLog log, string from, string to) =>
        Write(log, EventLevel.Warning, nameof(ReceiveGapSkipped),
            $"As asked, WAL from {from} to {to} is not received: no backup before it can be recovered past it");

    public static void ReceiveDrainCut(this IEventLog log, int waiting, TimeSpan limit) =>
        Write(log, EventLevel.Warning, nameof(ReceiveDrainCut),
            $"{waiting} files were not stored within {limit.TotalSeconds:0} s; they stay in the folder for the next start");

    public static void ReceiveStands(this IEventLog log, string received, string durable, string server, int waiting) =>
        Write(log, EventLevel.Info, nameof(ReceiveStands),
            $"Received to {received}, durable to {durable}, the server is at {server}; {waiting} files wait for the store");

    // Delta: maps
    public static void ChangedBlockMapBuilt(this IEventLog log, string source, string range, string from, int blocksPerBit) =>
        Write(log, EventLevel.Info, nameof(ChangedBlockMapBuilt),
            $"{source}: what changed from {range} is known from {from}{(blocksPerBit == 1 ? "" : $", to {blocksPerBit} blocks")}");

    public static void WalDeltaNotUsed(this IEventLog log, string name, string reason) =>
        Write(log, EventLevel.Warning, nameof(WalDeltaNotUsed), $"{name} is not used, the WAL is read instead: {reason}");

    public static void WalSummaryMissing(this IEventLog log, string from, string to, string reason) =>
        Write(log, EventLevel.Warning, nameof(WalSummaryMissing), $"The WAL from {from} to {to} is read, since no summary tells of it: {reason}");

    // Daemon
    public static void DaemonStarted(this IEventLog log, string socket, string archive, int lanes) =>
        Write(log, EventLevel.Info, nameof(DaemonStarted), $"Daemon listens on {socket} and archives to {archive} over {lanes} lanes");

    public static void DaemonStopping(this IEventLog log, TimeSpan limit) =>
        Write(log, EventLevel.Info, nameof(DaemonStopping),
            $"Daemon takes no more requests and finishes what is under way, {limit.TotalSeconds:0} s at most");

    public static void DaemonStopped(this IEventLog log, long archived) =>
        Write(log, EventLevel.Info, nameof(DaemonStopped), $"Daemon ended; {archived} files archived since it started");

    public static void DaemonDrainCut(this IEventLog log, int unfinished, TimeSpan limit) =>
        Write(log, EventLevel.Warning, nameof(DaemonDrainCut),
            $"{unfinished} uploads were not finished within {limit.TotalSeconds:0} s and are given up; PostgreSQL will ask for them again");

    public static void DaemonReloaded(this IEventLog log, string archive, int lanes) =>
        Write(log, EventLevel.Info, nameof(DaemonReloaded), $"Settings reloaded: archives to {archive} over {lanes} lanes");

    public static void DaemonReloadFailed(this IEventLog log, string reason) =>
        Write(log, EventLevel.Error, nameof(DaemonReloadFailed), $"Settings could not be reloaded, those before stay: {reason}");

    public static void DaemonPushFailed(this IEventLog log, string name, string reason) =>
        Write(log, EventLevel.Error, nameof(DaemonPushFailed), $"Archiving {name} failed: {reason}");

    public static void DaemonFetchFailed(this IEventLog log, string name, string reason) =>
        Write(log, EventLevel.Error, nameof(DaemonFetchFailed), $"Fetching {name} failed: {reason}");

    public static void DaemonAcceptFailed(this IEventLog log, string reason) =>
        Write(log, EventLevel.Warning, nameof(DaemonAcceptFailed), $"A connection could not be accepted: {reason}");

    public static void DaemonConnectionLost(this IEventLog log, string reason) =>
        Write(log, EventLevel.Debug, nameof(DaemonConnectionLost), $"A connection ended early: {reason}");

    public static void DaemonRequestFault(this IEventLog log, string fault) =>
        Write(log, EventLevel.Error, nameof(DaemonRequestFault), $"A request ended in a fault of the daemon's own: {fault}");

    public static void DaemonMetricsFailed(this IEventLog log, string target, string reason) =>
        Write(log, EventLevel.Warning, nameof(DaemonMetricsFailed), $"Metrics could not be given to {target}: {reason}");

    public static void AheadOutdated(this IEventLog log, string name) =>
        Write(log, EventLevel.Warning, nameof(AheadOutdated), $"{name} changed since it was pushed ahead; it is pushed again");

    // Backup
    public static void BackupWarning(this IEventLog log, string message) =>
        Write(log, EventLevel.Warning, nameof(BackupWarning), $"{message}");

    public static void BackupSizeUnknown(this IEventLog log, string reason) =>
        Write(log, EventLevel.Debug, nameof(BackupSizeUnknown), $"The size to back up is not known: {reason}");

    public static void BackupStarted(this IEventLog log, string name, string lsn, int version) =>
        Write(log, EventLevel.Info, nameof(BackupStarted), $"Starting backup {name} at {lsn} on PostgreSQL {version / 10000}");

    public static void BackupIsDelta(this IEventLog log, string parent, string lsn, string source) =>
        Write(log, EventLevel.Info, nameof(BackupIsDelta),
            $"Delta backup from {parent} with LSN {lsn}; changed blocks are found by {source}");

    public static void BackupIsFull(this IEventLog log, string reason) =>
        Write(log, EventLevel.Info, nameof(BackupIsFull), $"Full backup: {reason}");

    public static void BackupFinished(this IEventLog log, string name, long contentBytes, long storedBytes) =>
        Write(log, EventLevel.Info, nameof(BackupFinished),
            $"Wrote backup with name {name}: {contentBytes} bytes of files, {storedBytes} stored");

    public static void BackupRemnantsLeft(this IEventLog log, string folder, string reason) =>
        Write(log, EventLevel.Warning, nameof(BackupRemnantsLeft),
            $"What the failed backup had stored in {folder} could not all be removed: {reason}");

    public static void BackupRemnantsRemoved(this IEventLog log, string name, string begun) =>
        Write(log, EventLevel.Warning, nameof(BackupRemnantsRemoved),
            $"Removing what an earlier try of {name} left, begun at {begun}: the server knows that it is gone");

    public static void BackupTarStored(this IEventLog log, string tar, long contentBytes, long storedBytes) =>
        Write(log, EventLevel.Info, nameof(BackupTarStored), $"Stored {tar}: {contentBytes} bytes of files, {storedBytes} stored");

    // Backup: restore
    public static void RestoreStarted(
        this IEventLog log, string backup, string destination, int tars, int redundantTars, int backups)
    {
        var chain = backups > 1 ? FormattableString.Invariant($" of a chain of {backups} backups") : "";
        var redundant = redundantTars > 0 ? FormattableString.Invariant($"; {redundantTars} hold nothing that is needed") : "";
        Write(log, EventLevel.Info, nameof(RestoreStarted),
            $"Restoring {backup} into {destination} from {tars} tar archives{chain}{redundant}");
    }

    public static void RestoreFinished(this IEventLog log, string backup, long files, long bytes) =>
        Write(log, EventLevel.Info, nameof(RestoreFinished), $"Backup extraction complete: {backup}, {files} files, {bytes} bytes");

    public static void RecoveryPassesOver(this IEventLog log, string backup, string reason) =>
        Write(log, EventLevel.Warning, nameof(RecoveryPassesOver), $"No recovery can start from {backup}: {reason}");

    public static void RestoreEmpties(this IEventLog log, string folder, string why) =>
        Write(log, EventLevel.Warning, nameof(RestoreEmpties), $"Emptying {folder}, {why}");

    public static void RestoreTarRetry(this IEventLog log, string tar, TimeSpan delay, string reason) =>
        Write(log, EventLevel.Warning, nameof(RestoreTarRetry),
            $"Extracting {tar} failed: {reason}; trying again in {delay.TotalSeconds:0} s");

    public static void RestoreSkipsMember(this IEventLog log, string member, string kind) =>
        Write(log, EventLevel.Warning, nameof(RestoreSkipsMember),
            $"Not restored: {member} ({kind}); the archive does not hold what it was");

    public static void RestoreSkipsObject(this IEventLog log, string key, string reason) =>
        Write(log, EventLevel.Warning, nameof(RestoreSkipsObject), $"Not restored: {key}; {reason}");

    public static void RestoreLeftovers(this IEventLog log, string folder, string reason) =>
        Write(log, EventLevel.Error, nameof(RestoreLeftovers),
            $"What was restored so far could not all be removed from {folder}: {reason}; remove it by hand");

    // Backup: recovery
    public static void RecoveryTargetSearched(this IEventLog log, string first, string last) =>
        Write(log, EventLevel.Info, nameof(RecoveryTargetSearched), $"Looking for the recovery target in the WAL from {first} to {last}");

    public static void RecoveryPointsSearched(this IEventLog log, string first, string last) =>
        Write(log, EventLevel.Info, nameof(RecoveryPointsSearched), $"Reading the WAL from {first}, to {last} at most");

    public static void RecoveryPointsBroken(this IEventLog log, string reason) =>
        Write(log, EventLevel.Warning, nameof(RecoveryPointsBroken), $"Replay ends in the middle of the archived WAL: {reason}");

    public static void RecoveryPointsEnd(this IEventLog log, string reason) =>
        Write(log, EventLevel.Info, nameof(RecoveryPointsEnd), $"The archived WAL ends: {reason}");

    // Drill
    public static void DrillStarted(this IEventLog log, string backup, string folder, string target) =>
        Write(log, EventLevel.Info, nameof(DrillStarted), $"Drilling {backup} in {folder}, recovering to {target}");

    public static void DrillPhaseEnded(this IEventLog log, string phase, string outcome, TimeSpan duration, string message) =>
        Write(log, EventLevel.Info, nameof(DrillPhaseEnded), $"{phase} {outcome} in {duration.TotalSeconds:0.0} s: {message}");

    public static void DrillLeftovers(this IEventLog log, string folder, string reason) =>
        Write(log, EventLevel.Error, nameof(DrillLeftovers),
            $"The drill's folder {folder} could not all be removed: {reason}; remove it by hand");

    // Verification
    public static void WalVerifyPosition(this IEventLog log, string segment) =>
        Write(log, EventLevel.Info, nameof(WalVerifyPosition), $"Current WAL segment: {segment}");

    public static void WalVerifyBackup(this IEventLog log, string backup) =>
        Write(log, EventLevel.Info, nameof(WalVerifyBackup), $"Detected earliest available backup: {backup}");

    public static void WalVerifyWithoutBackup(this IEventLog log) =>
        Write(log, EventLevel.Warning, nameof(WalVerifyWithoutBackup),
            $"Failed to detect earliest backup WAL segment no: there is no backup that leads here and is not permanent, will scan until segment 1");

    public static void BackupPassedOver(this IEventLog log, string backup, string reason) =>
        Write(log, EventLevel.Warning, nameof(BackupPassedOver), $"{backup} is passed over: {reason}");

    public static void WalRestoreNothing(this IEventLog log) =>
        Write(log, EventLevel.Info, nameof(WalRestoreNothing), $"No WAL files to restore");

    public static void WalRestored(this IEventLog log, string name) =>
        Write(log, EventLevel.Info, nameof(WalRestored), $"Successfully download WAL file {name}");

    public static void WalRestoreFailed(this IEventLog log, string name, string reason) =>
        Write(log, EventLevel.Error, nameof(WalRestoreFailed), $"Failed to download WAL file {name}: {reason}");
    // Transfer
    public static void CopyWarning(this IEventLog log, string message) =>
        Write(log, EventLevel.Warning, nameof(CopyWarning), $"{message}");

    public static void CopyStarted(this IEventLog log, int backups, long objects, long bytes, string source, string target) =>
        Write(log, EventLevel.Info, nameof(CopyStarted),
            $"Copying {backups} backups, {objects} objects of {bytes} bytes, from {source} to {target}");

    public static void BackupCopied(this IEventLog log, string backup, long copied, long kept, long bytes) =>
        Write(log, EventLevel.Info, nameof(BackupCopied),
            $"Copied {backup}: {copied} objects of {bytes} bytes, {kept} were there already");

    public static void CopyStrayRemoved(this IEventLog log, int objects, string backup) =>
        Write(log, EventLevel.Warning, nameof(CopyStrayRemoved),
            $"Removing {objects} objects at the target that another {backup} left, which is not listed");

    public static void TransferFailed(this IEventLog log, string key, string reason) =>
        Write(log, EventLevel.Error, nameof(TransferFailed), $"Moving {key} failed: {reason}");

    public static void TransferKeptBoth(this IEventLog log, string key) =>
        Write(log, EventLevel.Warning, nameof(TransferKeptBoth),
            $"{key} is in both storages and not the same; both stay as they are (--overwrite replaces the target's)");

    public static void TransferSkipped(this IEventLog log, string backup, string reason) =>
        Write(log, EventLevel.Info, nameof(TransferSkipped), $"Not moved: {backup}; {reason}");

    public static void TransferDone(this IEventLog log, long copied, long there, long deleted) =>
        Write(log, EventLevel.Info, nameof(TransferDone),
            $"Files transferred: {copied} copied, {there} were at the target already, {deleted} deleted at the source");

    public static void StorageItemAsIs(this IEventLog log, string key) =>
        Write(log, EventLevel.Warning, nameof(StorageItemAsIs),
            $"The extension of {key} names no compression method; its content is taken as it is");

    public static void StorageItemsRemoved(this IEventLog log, long objects, string path) =>
        Write(log, EventLevel.Info, nameof(StorageItemsRemoved), $"Removed {objects} objects: {path}");

    // Configuration
    public static void SettingsNotUsed(this IEventLog log, string names) =>
        Write(log, EventLevel.Warning, nameof(SettingsNotUsed), $"These settings have no effect in WalRus: {names}");

    public static void SettingsUnknown(this IEventLog log, string names, string file) =>
        Write(log, EventLevel.Warning, nameof(SettingsUnknown), $"'{file}' sets names that are unknown: {names}");
}
