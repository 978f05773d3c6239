using System.Diagnostics;
using WalRus.Archiving;
using WalRus.Storage;
using WalRus.Streaming;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>
/// A backup's name belongs to one run. On a primary names are never the same twice; on standbys they are, for backups
/// that start from the same restartpoint, at the same time even on two machines: wal-g mixes their objects then. A run
/// therefore puts a first, incomplete metadata.json where there was none, and keeps off a name that is taken, unless it
/// knows that whoever took it was killed: no such process on this machine, no session on the same run of the server.
/// </summary>
internal static class BackupClaim
{
    private const int MaxDocumentBytes = 1 << 20;

    /// <summary>How long removing what a killed run left may take.</summary>
    private static readonly TimeSpan RemovalLimit = TimeSpan.FromMinutes(5);

    private const string StandbyHint =
        "On a standby two backups need a restartpoint between them: run CHECKPOINT on the primary, wait a moment, try again.";

    /// <summary>Takes the name, or says who has it.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.BackupExists"/>.</exception>
    public static async Task TakeAsync(
        Archive archive, BackupName name, BackupMetadata first, IEventLog log, CancellationToken cancellationToken)
    {
        if (await archive.Store.HeadAsync(WalGLayout.Sentinel(name), cancellationToken).ConfigureAwait(false) is not null)
        {
            throw new WalRusException(ErrorCode.BackupExists, $"The archive already holds the backup {name}.", StandbyHint);
        }

        if (await HoldsRemnantsAsync(archive, name, cancellationToken).ConfigureAwait(false))
        {
            await TakeOverAsync(archive, name, first, log, cancellationToken).ConfigureAwait(false);
        }

        var document = first.ToJson();
        var key = WalGLayout.Metadata(name);
        try
        {
            var target = await archive.Store
                .OpenWriteAsync(key, WriteCondition.IfAbsent, cancellationToken).ConfigureAwait(false);
            await using (target.ConfigureAwait(false))
            {
                await target.WriteAsync(document, cancellationToken).ConfigureAwait(false);
                await target.CompleteAsync(cancellationToken).ConfigureAwait(false);
            }
        }
        catch (WalRusException taken) when (taken.Code == ErrorCode.ObjectExists)
        {
            // A store whose answer got lost says "exists" to the second try about the first.
            var stored = await archive.ReadDocumentAsync(key, MaxDocumentBytes, cancellationToken).ConfigureAwait(false);
            if (stored is null || !stored.AsSpan().SequenceEqual(document))
            {
                throw Taken(name, stored, taken);
            }
        }
    }

    /// <summary>
    /// Who made a backup is nobody's matter once its sentinel holds the name: its metadata.json becomes wal-g's, key by key.
    /// A failure is a warning: the backup exists, and every reader passes over those keys.
    /// </summary>
    /// <param name="mine">What that document held last.</param>
    public static async Task ReleaseAsync(
        Archive archive, BackupName name, BackupMetadata mine, TimeSpan limit, BackupWarnings warnings)
    {
        if (mine.ServerRun is null)
        {
            return;
        }

        var key = WalGLayout.Metadata(name);
        using var deadline = new Deadline(limit, CancellationToken.None);
        try
        {
            // Read once more: whoever saw the sentinel may have marked the backup since.
            var stored = await archive.ReadDocumentAsync(key, MaxDocumentBytes, deadline.Token).ConfigureAwait(false);
            if (Parsed(stored) is { } found && found.ServerRun == mine.ServerRun && found.ProcessId == mine.ProcessId)
            {
                var released = found with { ServerRun = null, ProcessId = null };
                await archive.WriteDocumentAsync(key, released.ToJson(), deadline.Token).ConfigureAwait(false);
            }
        }
        catch (Exception failure) when (failure is WalRusException or OperationCanceledException)
        {
            warnings.Add($"'{key}' still says which process made the backup: {failure.Message}");
        }
    }

    /// <summary>Removes what a failed backup has stored. Only for a name that was taken; best effort, with its own deadline.</summary>
    public static async Task RemoveAsync(Archive archive, BackupName name, TimeSpan limit, IEventLog log)
    {
        const int BatchSize = 500;
        var folder = WalGLayout.BackupObjects(name);
        var claim = WalGLayout.Metadata(name);
        using var deadline = new Deadline(limit, CancellationToken.None);
        try
        {
            var batch = new List<ObjectKey>(BatchSize);
            var request = new ListRequest { Folder = folder, Recursive = true };
            await foreach (var entry in archive.Store.ListAsync(request, deadline.Token).ConfigureAwait(false))
            {
                // The claim goes last: who is stopped here can go on with it.
                if (entry.Key != claim)
                {
                    batch.Add(entry.Key);
                }

                if (batch.Count == BatchSize)
                {
                    await DeleteAsync(archive, folder, batch, log, deadline.Token).ConfigureAwait(false);
                }
            }

            await DeleteAsync(archive, folder, batch, log, deadline.Token).ConfigureAwait(false);
            await DeleteAsync(archive, folder, [claim], log, deadline.Token).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is WalRusException or OperationCanceledException)
        {
            // The failure that led here is what the caller must hear of.
            log.BackupRemnantsLeft(folder, failure.Message);
        }
    }

    private static async Task DeleteAsync(
        Archive archive, string folder, List<ObjectKey> batch, IEventLog log, CancellationToken cancellationToken)
    {
        if (batch.Count > 0)
        {
            var result = await archive.Store.DeleteAsync(batch, cancellationToken).ConfigureAwait(false);
            if (result.Failed.Count > 0)
            {
                log.BackupRemnantsLeft(folder, result.Failed[0].Reason);
            }

            batch.Clear();
        }
    }

    private static async Task<bool> HoldsRemnantsAsync(Archive archive, BackupName name, CancellationToken cancellationToken)
    {
        var request = new ListRequest { Folder = WalGLayout.BackupObjects(name), Recursive = true };
        await foreach (var _ in archive.Store.ListAsync(request, cancellationToken).ConfigureAwait(false))
        {
            return true;
        }

        return false;
    }

    /// <summary>Parts of an unfinished backup would be restored together with the new ones: they go, or the name is refused.</summary>
    private static async Task TakeOverAsync(
        Archive archive, BackupName name, BackupMetadata mine, IEventLog log, CancellationToken cancellationToken)
    {
        var stored = await archive
            .ReadDocumentAsync(WalGLayout.Metadata(name), MaxDocumentBytes, cancellationToken).ConfigureAwait(false);
        if (Parsed(stored) is not { } theirs || !IsGone(theirs, mine))
        {
            throw Taken(name, stored, null);
        }

        log.BackupRemnantsRemoved(name.ToString(), theirs.StartTime.ToString());
        await RemoveAsync(archive, name, RemovalLimit, log).ConfigureAwait(false);
        if (await HoldsRemnantsAsync(archive, name, cancellationToken).ConfigureAwait(false))
        {
            throw Taken(name, stored, null);
        }
    }

    private static bool IsGone(BackupMetadata theirs, BackupMetadata mine)
    {
        if (mine.ServerRun is null || theirs.ServerRun != mine.ServerRun || theirs.ProcessId is not { } process
            || theirs.Hostname != mine.Hostname || theirs.DataDirectory != mine.DataDirectory)
        {
            return false;
        }

        try
        {
            // A number that was given again belongs to a process that started later.
            using var found = Process.GetProcessById(process);
            return found.StartTime.ToUniversalTime() > theirs.StartTime.ToDateTimeOffset().UtcDateTime;
        }
        catch (Exception none) when (none is ArgumentException or InvalidOperationException)
        {
            return true;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }

    /// <summary>Null when there is none or it cannot be read: that the name is taken is certain all the same.</summary>
    private static BackupMetadata? Parsed(byte[]? metadata)
    {
        try
        {
            return metadata is null ? null : BackupMetadata.Parse(metadata);
        }
        catch (WalRusException damaged) when (damaged.Code == ErrorCode.BackupUnreadable)
        {
            return null;
        }
    }

    private static WalRusException Taken(BackupName name, byte[]? metadata, Exception? inner)
    {
        var by = Parsed(metadata) is { } other ? $", begun on {other.Hostname} at {other.StartTime}" : "";
        return new WalRusException(
            ErrorCode.BackupExists,
            $"The archive holds a running or unfinished backup {name}{by}.",
            $"If it runs, let it end. If it was broken off, delete the folder {WalGLayout.BackupObjects(name)}. {StandbyHint}",
            inner);
    }
}
