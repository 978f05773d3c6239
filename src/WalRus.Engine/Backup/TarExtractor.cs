using System.Collections.Concurrent;
using Microsoft.Win32.SafeHandles;
using WalRus.Delta;
using WalRus.Streaming;
using WalRus.Streaming.Tar;

namespace WalRus.Backup;

/// <summary>
/// Writes the members of a chain's tars below the destination, one backup after the other. Used by several lanes at once,
/// each with a tar and a buffer of its own. The control file is not written but held: it goes into place when all else is
/// durable.
/// </summary>
internal sealed class TarExtractor(
    RestoreDestination destination, ChainSelection selection, RestoreProgress progress, IEventLog log)
{
    public const string ControlFile = "global/pg_control";
    public const string LabelFile = "backup_label";
    public const string MapFile = "tablespace_map";

    private const int MaxControlFileBytes = 64 * 1024;
    private const int MaxNotRestored = 10_000;

    /// <summary>Smaller files are written in one or two calls; asking for their room first would cost another.</summary>
    private const long PreallocateFromBytes = 1 << 20;

    /// <summary>COR_E_IO: all that .NET says when a file's room cannot be had; other failures bring the system's number.</summary>
    private const int UnspecificFailure = unchecked((int)0x80131620);

    private readonly ConcurrentDictionary<string, bool> notRestored = new();
    private volatile object? firstOwner;
    private long fileCount;
    private long incrementCount;
    private int step;

    /// <summary>The last control file met; null when no tar held one.</summary>
    public byte[]? ControlFileContent { get; private set; }

    /// <summary>The mode of the backup's data directory itself.</summary>
    public UnixFileMode RootMode { get; private set; } = RestoreModes.PrivateFolder;

    public long FileCount => Interlocked.Read(ref fileCount);

    /// <summary>How many files were brought on by an increment, each time counted.</summary>
    public long IncrementCount => Interlocked.Read(ref incrementCount);

    private bool IsLastStep => step == selection.Plan.Steps.Count - 1;

    /// <summary>
    /// The owner of what has no header: as <see cref="RestoreDestination.Owner"/>, else as the first header that told one,
    /// else as <see cref="RestoreDestination.FallbackOwner"/>. Null: leave it.
    /// </summary>
    public UnixOwner? Owner => destination.Owner ?? (UnixOwner?)firstOwner ?? destination.FallbackOwner;

    /// <summary>True for a member that was met but is not a file or folder (a link, a fifo): the archive cannot restore it.</summary>
    public bool WasNotRestorable(string relative) => notRestored.ContainsKey(relative);

    /// <summary>From now on tars of this backup of the chain come; none of the one before is at work any more.</summary>
    public void BeginStep(int number) => step = number;

    /// <summary>Extracts one tar. Files of an earlier, failed try of it are written anew.</summary>
    public async Task RunAsync(Stream source, Memory<byte> buffer, string name, CancellationToken cancellationToken)
    {
        var lane = new Lane(new TarReader(source, buffer, name), name);
        try
        {
            while (await lane.Reader.ReadEntryAsync(cancellationToken).ConfigureAwait(false))
            {
                await ExtractAsync(lane, cancellationToken).ConfigureAwait(false);
            }
        }
        catch
        {
            progress.Add(-lane.Bytes, name);
            throw;
        }

        Interlocked.Add(ref fileCount, lane.FileCount);
        Interlocked.Add(ref incrementCount, lane.IncrementCount);
    }

    /// <summary>Makes a folder and those above it, for this restore's owner alone.</summary>
    public void MakeFolder(string path)
    {
        if (Directory.Exists(path))
        {
            return;
        }

        if (Path.GetDirectoryName(path) is { } above)
        {
            MakeFolder(above);
        }

        // The mode goes with the creation: set afterwards, it could undo what another lane just read from a header.
        _ = OperatingSystem.IsWindows()
            ? Directory.CreateDirectory(path)
            : Directory.CreateDirectory(path, RestoreModes.PrivateFolder);
        Give(path, Owner);
    }

    /// <summary>Gives something that this restore made to its owner, when this account may.</summary>
    public void GiveToOwner(string path) => Give(path, Owner);

    private async ValueTask ExtractAsync(Lane lane, CancellationToken cancellationToken)
    {
        var entry = lane.Reader.Entry;
        var relative = RestorePath.Normalize(entry.Name, lane.Name);
        switch (entry.Kind)
        {
            case TarEntryKind.Directory:
                MakeFolder(relative, entry);
                break;
            case TarEntryKind.File:
                await ExtractFileAsync(lane, relative, cancellationToken).ConfigureAwait(false);
                break;
            default:
                Skip(relative, entry);
                break;
        }
    }

    private async ValueTask ExtractFileAsync(Lane lane, string relative, CancellationToken cancellationToken)
    {
        var isNative = RestorePath.TryPlainName(ref relative);
        switch (selection.Files.Use(step, relative))
        {
            case MemberUse.Skipped:
                return;
            case MemberUse.Whole when isNative:
                throw UnknownIncrement(lane, relative);
            case MemberUse.Whole when relative == ControlFile:
                ControlFileContent = await ReadControlFileAsync(lane, cancellationToken).ConfigureAwait(false);
                return;
            case MemberUse.Whole:
                await WriteFileAsync(lane, relative, cancellationToken).ConfigureAwait(false);
                break;
            case MemberUse.Increment:
                await WriteIncrementAsync(lane, relative, cancellationToken).ConfigureAwait(false);
                break;
        }

        selection.Files.MarkRestored(step, relative);
    }

    /// <summary>A parent's folders may be gone since; those that its files need are made with them.</summary>
    private void MakeFolder(string relative, in TarEntry entry)
    {
        if (!IsLastStep)
        {
            return;
        }

        if (relative.Length == 0)
        {
            // The destination stays closed to others until the restore is complete.
            RootMode = RestoreModes.DataDirectory(entry.Mode);
            return;
        }

        var path = destination.Layout.PathOf(relative);
        try
        {
            MakeFolder(path);
            SetMode(path, RestoreModes.Folder(entry.Mode));
            Give(path, OwnerOf(entry));
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(failed, path);
        }
    }

    private static WalRusException UnknownIncrement(Lane lane, string relative) => new(
        ErrorCode.ObjectCorrupt,
        $"'{lane.Name}' holds an increment of '{relative}', of which the backup's list knows nothing.",
        "Its files_metadata.json is damaged: choose another backup, and check the storage.");

    private async ValueTask WriteFileAsync(Lane lane, string relative, CancellationToken cancellationToken)
    {
        var entry = lane.Reader.Entry;
        var path = destination.Layout.PathOf(relative);
        using var handle = Create(path, entry.SizeBytes);
        long offset = 0;
        while (await lane.Reader.ReadContentAsync(cancellationToken).ConfigureAwait(false) is { IsEmpty: false } piece)
        {
            if (offset == 0 && IncrementReader.IsIncrement(piece.Span) && RelationSegment.TryParse(relative, out _))
            {
                throw UnknownIncrement(lane, relative);
            }

            Write(handle, path, piece.Span, offset);
            offset += piece.Length;
            lane.Bytes += piece.Length;
            progress.Add(piece.Length, lane.Name);
        }

        lane.FileCount++;
        SetModeAndOwner(handle, path, entry);
    }

    private async ValueTask WriteIncrementAsync(Lane lane, string relative, CancellationToken cancellationToken)
    {
        var entry = lane.Reader.Entry;
        var path = destination.Layout.PathOf(relative);
        using var handle = OpenOlder(path, relative, lane.Name);
        var limit = Math.Max(IncrementedFile.UsualSegmentBytes, RandomAccess.GetLength(handle));
        using var increment = new IncrementReader(entry.SizeBytes, limit, relative);
        var target = new IncrementedFile(handle, increment);
        while (await lane.Reader.ReadContentAsync(cancellationToken).ConfigureAwait(false) is { IsEmpty: false } piece)
        {
            try
            {
                target.Take(piece.Span);
            }
            catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
            {
                throw DurableFile.Translate(failed, path);
            }

            lane.Bytes += piece.Length;
            progress.Add(piece.Length, lane.Name);
        }

        target.Complete();
        lane.IncrementCount++;
        SetModeAndOwner(handle, path, entry);
    }

    private static SafeFileHandle OpenOlder(string path, string relative, string tar)
    {
        try
        {
            return File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.Read);
        }
        catch (Exception missing) when (missing is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new WalRusException(
                ErrorCode.BackupIncomplete,
                $"'{tar}' holds an increment of '{relative}', which no backup before it brought.",
                "Choose another backup.",
                missing);
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(failed, path);
        }
    }

    private void SetModeAndOwner(SafeFileHandle handle, string path, in TarEntry entry)
    {
        try
        {
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(handle, RestoreModes.File(entry.Mode));
                if (OwnerOf(entry) is { } owner)
                {
                    UnixFiles.ChangeOwner(handle, path, owner);
                }
            }
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(failed, path);
        }
    }

    private SafeFileHandle Create(string path, long sizeBytes)
    {
        var room = sizeBytes >= PreallocateFromBytes ? sizeBytes : 0;
        try
        {
            try
            {
                return File.OpenHandle(path, FileMode.Create, FileAccess.Write, FileShare.Read, FileOptions.None, room);
            }
            catch (Exception missing) when (missing is DirectoryNotFoundException or FileNotFoundException)
            {
                // Another part holds the folder's own entry. .NET looks for the folder only after the system refused: when
                // another lane has made it by then, it says that the file is missing.
                MakeFolder(Path.GetDirectoryName(path)!);
                return File.OpenHandle(path, FileMode.Create, FileAccess.Write, FileShare.Read, FileOptions.None, room);
            }
        }
        catch (IOException refused) when (room > 0 && refused.HResult == UnspecificFailure)
        {
            throw DurableFile.NoRoom(path, refused);
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(failed, path);
        }
    }

    private static void Write(SafeFileHandle handle, string path, ReadOnlySpan<byte> piece, long offset)
    {
        try
        {
            RandomAccess.Write(handle, piece, offset);
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(failed, path);
        }
    }

    private static async ValueTask<byte[]> ReadControlFileAsync(Lane lane, CancellationToken cancellationToken)
    {
        var size = lane.Reader.Entry.SizeBytes;
        if (size is 0 or > MaxControlFileBytes)
        {
            throw new WalRusException(
                ErrorCode.ObjectCorrupt, $"'{lane.Name}' holds a pg_control of {size} bytes, which cannot be one.");
        }

        var content = new byte[size];
        var filled = 0;
        while (await lane.Reader.ReadContentAsync(cancellationToken).ConfigureAwait(false) is { IsEmpty: false } piece)
        {
            piece.CopyTo(content.AsMemory(filled));
            filled += piece.Length;
        }

        lane.FileCount++;
        return content;
    }

    /// <summary>
    /// Links are never made from the archive: wal-g stores a link's own name as its target, and one that a tar brings
    /// could lead anywhere. The tablespaces' links are made from the sentinel, at the end.
    /// </summary>
    private void Skip(string relative, in TarEntry entry)
    {
        var isTablespace = destination.Layout.Tablespaces
            .Any(tablespace => relative == $"{TablespaceLayout.LinkFolder}/{tablespace.Oid}");
        if (!isTablespace && IsLastStep && notRestored.Count < MaxNotRestored && notRestored.TryAdd(relative, true))
        {
            log.RestoreSkipsMember(relative, entry.Kind.ToString());
        }
    }

    private UnixOwner? OwnerOf(in TarEntry entry)
    {
        if (destination.Owner is { } forced)
        {
            return forced;
        }

        if (!Environment.IsPrivilegedProcess || OperatingSystem.IsWindows())
        {
            return null;
        }

        // PostgreSQL never runs as root: a header with owner 0 was written by a tool that records none.
        if (entry.UserId is > 0 and <= uint.MaxValue && entry.GroupId is >= 0 and <= uint.MaxValue)
        {
            var owner = new UnixOwner((uint)entry.UserId, (uint)entry.GroupId);
            firstOwner ??= owner;
            return owner;
        }

        return Owner;
    }

    private static void SetMode(string path, UnixFileMode mode)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, mode);
        }
    }

    private static void Give(string path, UnixOwner? owner)
    {
        if (owner is { } known && !OperatingSystem.IsWindows())
        {
            UnixFiles.ChangeOwner(path, known);
        }
    }

    /// <summary>One tar being extracted.</summary>
    private sealed class Lane(TarReader reader, string name)
    {
        public TarReader Reader { get; } = reader;

        public string Name { get; } = name;

        public long Bytes { get; set; }

        public long FileCount { get; set; }

        public long IncrementCount { get; set; }
    }
}
