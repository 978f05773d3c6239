using System.Buffers;
using System.Buffers.Binary;
using WalRus.Postgres;
using WalRus.Streaming;
using WalRus.WalG;

namespace WalRus.Delta;

/// <summary>
/// Listens to the bytes of one segment on their way to the archive. Never fails its caller: what goes wrong ends the recording,
/// and a delta backup reads that WAL instead. Disposing forgets what was not kept.
/// </summary>
public sealed class WalDeltaRecording : IDisposable
{
    private const int BufferBytes = 64 << 10;

    private readonly string folder;
    private readonly WalChangeReader changes;
    private readonly byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
    private readonly List<byte> files = [];
    private FileStream? target;
    private WalRecordReader? reader;
    private ulong systemIdentifier;
    private int filled;
    private long locationBytes;
    private uint crc = Crc32C.Initial;
    private bool isDisposed;

    internal WalDeltaRecording(WalFileName segment, string folder)
    {
        Segment = segment;
        this.folder = folder;
        changes = new WalChangeReader(TakeBlock, TakeFile);
    }

    public WalFileName Segment { get; }

    internal string Folder => folder;

    /// <summary>Why nothing is recorded any more; null while all is well.</summary>
    internal string? Problem { get; private set; }

    internal WalSegmentSize Size => reader?.SegmentSize ?? WalSegmentSize.Default;

    /// <summary>Takes the next bytes of the segment; the first call's hold at least its first page header.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (Problem is not null || bytes.IsEmpty)
        {
            return;
        }

        try
        {
            reader ??= Begin(bytes);
            while (Problem is null && reader?.Read(ref bytes) == WalReadState.Record)
            {
                Problem = changes.Read(reader.Record);
            }

            Problem ??= reader?.EndReason;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            Problem = failure.Message;
        }
    }

    public void Dispose()
    {
        if (isDisposed)
        {
            return;
        }

        isDisposed = true;
        ArrayPool<byte>.Shared.Return(buffer);
        if (target is { } unfinished)
        {
            unfinished.Dispose();
            File.Delete(unfinished.Name);
        }
    }

    /// <summary>Puts the record in its place, for its group. False when there is none.</summary>
    internal bool TryKeep()
    {
        try
        {
            Problem ??= ProblemAtEnd();
            if (Problem is not null)
            {
                return false;
            }

            Finish();
            return true;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            Problem = failure.Message;
            return false;
        }
    }

    private WalRecordReader? Begin(ReadOnlySpan<byte> bytes)
    {
        if (!WalPageHeader.TryParse(bytes, out var header) || !header.IsLong || !WalSegmentSize.IsValid(header.SegmentSizeBytes))
        {
            Problem = "it does not start with a WAL page";
            return null;
        }

        systemIdentifier = header.SystemIdentifier;
        Directory.CreateDirectory(folder);
        target = DurableFile.Create(Path.Combine(folder, $"{Segment}.{Guid.NewGuid():N}.new"));

        // Whole bodies are kept: one of them may turn out to be the beginning of a record that goes on in the next segment.
        return new WalRecordReader(
            Segment.StartLsn(WalSegmentSize.FromBytes(header.SegmentSizeBytes)),
            _ => WalDeltaRecord.PartLimit - WalRecordHeader.Length,
            WalDeltaRecord.PartLimit - WalRecordHeader.Length,
            WalDeltaRecord.PartLimit);
    }

    private string? ProblemAtEnd()
    {
        if (reader is null || reader.Position != Segment.StartLsn(Size) + (ulong)Size.Bytes)
        {
            return "it is not as long as a segment";
        }

        return reader.IsInsideTail || reader.TailLength > reader.Tail.Length || reader.CopyUnfinished() is null
            ? "it holds part of a record that is too long"
            : null;
    }

    private void Finish()
    {
        var tail = reader!.IsTailGivenUp ? [] : reader.Tail.ToArray();
        var head = reader.CopyUnfinished()!;
        Flush();
        Append([.. files]);
        Append(tail);
        Append(head);
        var footer = new byte[WalDeltaRecord.FooterBytes];
        WalDeltaRecord.Magic.CopyTo(footer);
        BinaryPrimitives.WriteUInt64LittleEndian(footer.AsSpan(8), systemIdentifier);
        BinaryPrimitives.WriteInt32LittleEndian(footer.AsSpan(16), Size.Bytes);
        BinaryPrimitives.WriteUInt16LittleEndian(footer.AsSpan(20), reader.PageMagic);
        BinaryPrimitives.WriteUInt16LittleEndian(footer.AsSpan(22), reader.IsTailGivenUp ? WalDeltaRecord.TailGivenUp : (ushort)0);
        BinaryPrimitives.WriteInt64LittleEndian(footer.AsSpan(24), locationBytes);
        BinaryPrimitives.WriteInt32LittleEndian(footer.AsSpan(32), files.Count);
        BinaryPrimitives.WriteInt32LittleEndian(footer.AsSpan(36), tail.Length);
        BinaryPrimitives.WriteInt32LittleEndian(footer.AsSpan(40), head.Length);
        crc = Crc32C.Append(crc, footer.AsSpan(0, footer.Length - sizeof(uint)));
        BinaryPrimitives.WriteUInt32LittleEndian(footer.AsSpan(footer.Length - sizeof(uint)), Crc32C.Finish(crc));
        target!.Write(footer);
        target.Dispose();
        File.Move(target.Name, Path.Combine(folder, Segment.ToString()), overwrite: true);
        target = null;
    }

    private void TakeBlock(WalBlockReference block)
    {
        if (filled + DeltaSidecar.LocationBytes > BufferBytes)
        {
            Flush();
        }

        DeltaSidecar.WriteLocation(buffer.AsSpan(filled), block.Relation, block.Block);
        filled += DeltaSidecar.LocationBytes;
    }

    private void TakeFile(WalFileChange change)
    {
        if (files.Count + DeltaSidecar.LocationBytes > WalDeltaRecord.PartLimit)
        {
            throw new IOException("It makes too many files.");
        }

        Span<byte> entry = stackalloc byte[DeltaSidecar.LocationBytes];
        DeltaSidecar.WriteLocation(entry, change.Relation, change.Block);
        files.AddRange(entry);
    }

    private void Flush()
    {
        Append(buffer.AsSpan(0, filled));
        locationBytes += filled;
        filled = 0;
    }

    private void Append(ReadOnlySpan<byte> bytes)
    {
        crc = Crc32C.Append(crc, bytes);
        target!.Write(bytes);
    }
}
