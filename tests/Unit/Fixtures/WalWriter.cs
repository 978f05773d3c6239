using System.Buffers.Binary;
using System.Text;
using WalRus.Postgres;

namespace WalRus.Tests;

/// <summary>Writes WAL as PostgreSQL lays it out: for records that a real server does not write on demand.</summary>
internal sealed class WalWriter
{
    private const int BlockSize = 8192;

    private readonly MemoryStream bytes = new();
    private readonly WalSegmentSize size;
    private readonly Lsn start;

    public WalWriter(Lsn start, WalSegmentSize? size = null, ushort magic = 0xD116)
    {
        this.start = start;
        this.size = size ?? SyntheticWal.Small;
        Magic = magic;
    }

    public ushort Magic { get; }

    public TimelineId Timeline { get; set; } = new(1);

    public Lsn Position => start + (ulong)bytes.Length;

    public Lsn Previous { get; set; }

    /// <summary>Appends a record; returns where it starts.</summary>
    public Lsn Append(WalResourceManager manager, byte info, byte[] body, uint xid = 0)
    {
        BeginRecord();
        var record = Record(manager, info, body, xid, Previous);
        var at = Previous = Position;
        Write(record, record.Length);
        if (manager == WalResourceManager.XLog && (info & 0xF0) == 0x40)
        {
            FillSegment();
        }

        return at;
    }

    /// <summary>The first bytes of a record whose rest never comes, up to the end of the page.</summary>
    public void AppendBroken(byte[] body)
    {
        BeginRecord();
        var record = Record(WalResourceManager.XLog, 0x20, body, 0, Previous);
        Write(record.AsSpan(0, (int)(BlockSize - Position.Value % BlockSize)), record.Length);
        BeginPage(0, extraFlags: 0x0008);
    }

    public Lsn Commit(uint xid, DateTimeOffset time, byte[]? rest = null, byte info = 0) => Append(
        WalResourceManager.Transaction, info, Data([.. Time(time), .. rest ?? []]), info is 0x30 or 0xB0 ? 0 : xid);

    public Lsn RestorePoint(string name, DateTimeOffset time)
    {
        var data = new byte[72];
        Time(time).CopyTo(data, 0);
        Encoding.UTF8.GetBytes(name).CopyTo(data, 8);
        return Append(WalResourceManager.XLog, 0x70, Data(data));
    }

    public Lsn RunningTransactions(uint next, uint oldest)
    {
        var data = new byte[24];
        BinaryPrimitives.WriteUInt32LittleEndian(data.AsSpan(12), next);
        BinaryPrimitives.WriteUInt32LittleEndian(data.AsSpan(16), oldest);
        return Append(WalResourceManager.Standby, 0x10, Data(data));
    }

    public Lsn Switch() => Append(WalResourceManager.XLog, 0x40, []);

    /// <summary>Data as a record holds it when it touches no block.</summary>
    public static byte[] Data(byte[] data) => data.Length < 256
        ? [255, (byte)data.Length, .. data]
        : [254, .. BitConverter.GetBytes(data.Length), .. data];

    public static byte[] Time(DateTimeOffset time) => BitConverter.GetBytes(
        (time - new DateTimeOffset(2000, 1, 1, 0, 0, 0, TimeSpan.Zero)).Ticks / TimeSpan.TicksPerMicrosecond);

    /// <summary>A new timeline's WAL: its first segment begins with a copy up to the fork.</summary>
    /// <param name="at">The end of a record.</param>
    /// <param name="previous">The start of that record.</param>
    public WalWriter Fork(Lsn at, Lsn previous, TimelineId timeline)
    {
        var first = size.StartOf(size.SegmentNumber(at));
        var forked = new WalWriter(first, size, Magic) { Timeline = timeline, Previous = previous };
        forked.bytes.Write(ToBytes().AsSpan((int)(first - start), (int)(at - first)));
        return forked;
    }

    public byte[] ToBytes() => bytes.ToArray();

    /// <summary>Whole segments by name, the last filled up with zeros.</summary>
    public IEnumerable<(string Name, byte[] Content)> Segments()
    {
        var all = ToBytes();
        for (var offset = 0; offset < all.Length; offset += size.Bytes)
        {
            var content = new byte[size.Bytes];
            all.AsSpan(offset, Math.Min(size.Bytes, all.Length - offset)).CopyTo(content);
            yield return (WalFileName.FromLsn(Timeline, start + (ulong)offset, size).ToString(), content);
        }
    }

    private static byte[] Record(WalResourceManager manager, byte info, byte[] body, uint xid, Lsn previous)
    {
        var record = new byte[24 + body.Length];
        BinaryPrimitives.WriteInt32LittleEndian(record, record.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(4), xid);
        BinaryPrimitives.WriteUInt64LittleEndian(record.AsSpan(8), previous.Value);
        record[16] = info;
        record[17] = (byte)manager;
        body.CopyTo(record, 24);
        var crc = Crc32C.Append(Crc32C.Append(Crc32C.Initial, body), record.AsSpan(0, 20));
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(20), Crc32C.Finish(crc));
        return record;
    }

    /// <summary>Behind a switch PostgreSQL leaves zeros only, page headers included (xlog.c, CopyXLogRecordToWAL).</summary>
    private void FillSegment() => bytes.Write(new byte[(int)(-(long)Position.Value & (size.Bytes - 1))]);

    private void Write(ReadOnlySpan<byte> record, int total)
    {
        var written = 0;
        while (written < record.Length)
        {
            BeginPage(written == 0 ? 0 : total - written);
            var count = Math.Min(record.Length - written, (int)(BlockSize - Position.Value % BlockSize));
            bytes.Write(record.Slice(written, count));
            written += count;
        }
    }

    private void BeginRecord()
    {
        while (Position.Value % 8 != 0)
        {
            bytes.WriteByte(0);
        }

        BeginPage(0);
    }

    private void BeginPage(int remaining, ushort extraFlags = 0)
    {
        if (Position.Value % BlockSize != 0)
        {
            return;
        }

        var isLong = Position.Value % (ulong)size.Bytes == 0;
        var header = new byte[isLong ? 40 : 24];
        BinaryPrimitives.WriteUInt16LittleEndian(header, Magic);
        BinaryPrimitives.WriteUInt16LittleEndian(
            header.AsSpan(2), (ushort)((isLong ? 2 : 0) | (remaining > 0 ? 1 : 0) | extraFlags));
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(4), Timeline.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(8), Position.Value);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(16), remaining);
        if (isLong)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(24), SyntheticWal.SystemIdentifier);
            BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(32), size.Bytes);
            BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(36), BlockSize);
        }

        bytes.Write(header);
    }
}
