using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.WalG;

namespace WalRus.Delta;

/// <summary>Makes a group's objects of the records of its segments.</summary>
internal sealed class WalDeltaGroup(Archive archive, string folder, WalFileName first, WalSegmentSize size)
{
    private const int MaxChangeBytes = 16 << 20;

    private readonly MemoryStream joined = new();
    private readonly MemoryStream files = new();
    private ulong systemIdentifier;
    private uint crc = Crc32C.Initial;
    private long length;

    /// <summary>Stores the group's sidecar and what changed of files. False when somebody else just did.</summary>
    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.ObjectCorrupt"/>: the records do not belong together, and never will; or what the store says.
    /// </exception>
    public async Task<bool> StoreAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var key = WalGLayout.Wal(DeltaSidecar.NameOf(first));
        var writer = await archive.OpenWriteAsync(key, WriteCondition.None, cancellationToken).ConfigureAwait(false);
        await using (writer.ConfigureAwait(false))
        {
            var head = await ReadHeadBeforeAsync(buffer, cancellationToken).ConfigureAwait(false);
            for (ulong index = 0; index < DeltaSidecar.SegmentCount; index++)
            {
                using var record = WalDeltaRecord.Open(PathOf(first.Next(size, index)));
                if (record is null)
                {
                    return false;
                }

                Require(index == 0 || record.SystemIdentifier == systemIdentifier, record.SegmentBytes == size.Bytes);
                systemIdentifier = record.SystemIdentifier;
                await record.CopyLocationsAsync(WriteAsync, buffer, cancellationToken).ConfigureAwait(false);
                var (changes, tail, next) = record.ReadRest();
                Require(files.Length + changes.Length <= MaxChangeBytes);
                files.Write(changes);
                Join(head, tail, record);
                head = next;
            }

            await WriteAsync(joined.ToArray()).ConfigureAwait(false);
            await WriteAsync(new byte[DeltaSidecar.LocationBytes]).ConfigureAwait(false);
            await WriteAsync(BitConverter.GetBytes(head!.Length)).ConfigureAwait(false);
            await WriteAsync(head).ConfigureAwait(false);
            await writer.CompleteAsync(cancellationToken).ConfigureAwait(false);
        }

        await StoreFilesAsync(cancellationToken).ConfigureAwait(false);
        return true;

        ValueTask WriteAsync(ReadOnlyMemory<byte> bytes)
        {
            crc = Crc32C.Append(crc, bytes.Span);
            length += bytes.Length;
            return writer.WriteAsync(bytes, cancellationToken);
        }
    }

    /// <summary>True when every record that the group needs is there.</summary>
    public bool IsWhole()
    {
        for (ulong index = 0; index < DeltaSidecar.SegmentCount; index++)
        {
            if (!File.Exists(PathOf(first.Next(size, index))))
            {
                return false;
            }
        }

        if (File.Exists(PathOf(Before)))
        {
            return true;
        }

        // Without a record that goes on into it, the group needs nothing of what was before.
        using var record = WalDeltaRecord.Open(PathOf(first));
        return record is { HasTail: false };
    }

    /// <summary>Removes what no other group needs: the last segment's record begins the next one.</summary>
    public void Remove()
    {
        if (!IsBegun(Before.SegmentNumber(size) - (DeltaSidecar.SegmentCount - 1)))
        {
            File.Delete(PathOf(Before));
        }

        for (ulong index = 0; index < DeltaSidecar.SegmentCount - 1; index++)
        {
            File.Delete(PathOf(first.Next(size, index)));
        }
    }

    /// <summary>True while the group of this first segment waits for some of the others.</summary>
    private bool IsBegun(ulong number)
    {
        for (var index = number; index < number + DeltaSidecar.SegmentCount - 1; index++)
        {
            if (File.Exists(PathOf(WalFileName.FromSegment(first.Timeline, index, size))))
            {
                return true;
            }
        }

        return false;
    }

    private WalFileName Before => WalFileName.FromSegment(first.Timeline, first.SegmentNumber(size) - 1, size);

    private string PathOf(WalFileName segment) => Path.Combine(folder, segment.ToString());

    private static void Require(params ReadOnlySpan<bool> conditions)
    {
        if (conditions.Contains(false))
        {
            throw new WalRusException(ErrorCode.ObjectCorrupt, "The records of its segments do not belong together.");
        }
    }

    /// <summary>The beginning of a record in the segment before the first; null when that was not recorded.</summary>
    private async Task<byte[]?> ReadHeadBeforeAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        using var before = WalDeltaRecord.Open(PathOf(Before));
        if (before is null)
        {
            return null;
        }

        await before.CopyLocationsAsync(static _ => ValueTask.CompletedTask, buffer, cancellationToken).ConfigureAwait(false);
        return before.ReadRest().Head;
    }

    /// <summary>Takes the record that lies in two segments.</summary>
    private void Join(byte[]? head, byte[] tail, WalDeltaRecord record)
    {
        if (record.IsTailGivenUp || (tail.Length == 0 && head is null or []))
        {
            return;
        }

        Require(head is { Length: > 0 }, tail.Length > 0);
        byte[] whole = [.. head!, .. tail];
        Require(WalRecord.TryJoin(whole, record.PageMagic, out var both));
        var changes = new WalChangeReader(
            block => Put(joined, block.Relation, block.Block), change => Put(files, change.Relation, change.Block));
        Require(changes.Read(both) is null);
    }

    private static void Put(MemoryStream target, RelationFileNode relation, uint block)
    {
        Span<byte> entry = stackalloc byte[DeltaSidecar.LocationBytes];
        DeltaSidecar.WriteLocation(entry, relation, block);
        target.Write(entry);
    }

    private async Task StoreFilesAsync(CancellationToken cancellationToken)
    {
        var content = new DeltaFileChanges
        {
            SystemIdentifier = systemIdentifier,
            SegmentSize = size,
            SidecarChecksum = Crc32C.Finish(crc),
            SidecarLength = length,
            Entries = files.ToArray(),
        };
        var key = WalGLayout.Wal(DeltaFileChanges.NameOf(first));
        var writer = await archive.OpenWriteAsync(key, WriteCondition.None, cancellationToken).ConfigureAwait(false);
        await using (writer.ConfigureAwait(false))
        {
            await writer.WriteAsync(content.ToBytes(), cancellationToken).ConfigureAwait(false);
            await writer.CompleteAsync(cancellationToken).ConfigureAwait(false);
        }
    }
}
