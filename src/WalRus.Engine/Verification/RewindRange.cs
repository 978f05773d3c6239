using System.Buffers;
using WalRus.Postgres;

namespace WalRus.Verification;

/// <summary>The WAL of an old primary that pg_rewind reads, from where its successor left it.</summary>
/// <param name="Path">The old primary's way through its segments.</param>
/// <param name="Folder">Its pg_wal.</param>
/// <param name="Fork">Where the two part.</param>
/// <param name="Last">The number of its newest segment.</param>
internal sealed record RewindRange(WalPath Path, string Folder, Lsn Fork, ulong Last)
{
    private const byte ShutdownCheckpoint = 0x00;
    private const byte OnlineCheckpoint = 0x10;
    private const int BufferBytes = 64 << 10;

    /// <summary>The segment that the two part in.</summary>
    public ulong First => Math.Min(Path.Size.SegmentNumber(Fork), Last);

    /// <summary>Reads both data directories, neither of which may run.</summary>
    /// <exception cref="WalRusException">As <see cref="MissingWalFetch.ForRewindAsync"/>.</exception>
    public static RewindRange Read(string newPrimary, string oldPrimary)
    {
        var (target, source) = (ReadControlFile(newPrimary), ReadControlFile(oldPrimary));
        if (target.SystemIdentifier != source.SystemIdentifier)
        {
            throw Mismatch("System identifiers of target and source clusters are not equal");
        }

        if (target.Timeline == source.Timeline)
        {
            throw Mismatch("Latest checkpoint timelines of target and source clusters are equal");
        }

        var folder = System.IO.Path.Combine(oldPrimary, "pg_wal");
        var history = ReadHistory(folder, source.Timeline);
        var fork = ForkOf(ReadHistory(System.IO.Path.Combine(newPrimary, "pg_wal"), target.Timeline), history);
        var last = Math.Max(source.SegmentSize.SegmentNumber(source.Checkpoint), HighestIn(folder, source));
        return new RewindRange(new WalPath(history, source.SegmentSize), folder, fork, last);
    }

    /// <summary>True when a segment is there and no checkpoint before the fork is in it: then the one below is needed.</summary>
    public bool HasNoCheckpoint(ulong number)
    {
        var file = System.IO.Path.Combine(Folder, Path.SegmentAt(number).ToString());
        if (!File.Exists(file))
        {
            return false;
        }

        using var content = File.OpenRead(file);
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            var reader = new WalRecordReader(Path.Size.StartOf(number));
            int count;
            while ((count = content.Read(buffer)) > 0)
            {
                ReadOnlySpan<byte> bytes = buffer.AsSpan(0, count);
                WalReadState state;
                while ((state = reader.Read(ref bytes)) == WalReadState.Record && reader.Record.Start < Fork)
                {
                    if (reader.Record.Header is { ResourceManager: WalResourceManager.XLog } header
                        && (header.Info & 0xF0) is ShutdownCheckpoint or OnlineCheckpoint)
                    {
                        return false;
                    }
                }

                if (state != WalReadState.NeedsBytes)
                {
                    break;
                }
            }

            return true;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>
    /// Where two histories part: the first switch that only one of them made. wal-g takes two of equal length for the
    /// same timeline, though both may be promoted standbys of one primary.
    /// </summary>
    private static Lsn ForkOf(TimelineHistory left, TimelineHistory right)
    {
        var common = left.Switches.Zip(right.Switches)
            .TakeWhile(pair => pair.First.Timeline == pair.Second.Timeline && pair.First.SwitchPoint == pair.Second.SwitchPoint).Count();
        Lsn? Next(TimelineHistory history) => common < history.Switches.Count ? history.Switches[common].SwitchPoint : null;
        return (Next(left), Next(right)) switch
        {
            ({ } one, { } other) => one < other ? one : other,
            ({ } one, null) => one,
            (null, { } other) => other,
            _ => throw Mismatch("Failed to find last common point: two clusters on the same timeline"),
        };
    }

    private static ControlFile ReadControlFile(string dataDirectory) =>
        ControlFile.Parse(ReadFile(System.IO.Path.Combine(dataDirectory, ControlFile.RelativePath), "Give two data directories of PostgreSQL."));

    private static TimelineHistory ReadHistory(string walFolder, TimelineId timeline) => timeline.Value == 1
        ? TimelineHistory.WithoutPast(timeline)
        : TimelineHistory.Parse(timeline, ReadFile(
            System.IO.Path.Combine(walFolder, timeline.HistoryFileName),
            "Fetch it from the archive (wal-fetch, Restore-WalSegment) and try again."));

    private static byte[] ReadFile(string path, string hint)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            throw new WalRusException(ErrorCode.DataDirectoryInvalid, $"'{path}' cannot be read: {failed.Message}", hint, failed);
        }
    }

    private static ulong HighestIn(string folder, ControlFile source) => Directory.EnumerateFiles(folder)
        .Select(file => WalFileName.TryParse(System.IO.Path.GetFileName(file), out var name) && name.Timeline == source.Timeline
            && name.IsValidFor(source.SegmentSize) ? name.SegmentNumber(source.SegmentSize) : 0)
        .DefaultIfEmpty().Max();

    private static WalRusException Mismatch(string message) => new(ErrorCode.DataDirectoryMismatch, message + ".");
}
