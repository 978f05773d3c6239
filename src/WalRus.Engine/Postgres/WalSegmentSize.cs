using System.Globalization;

namespace WalRus.Postgres;

/// <summary>The size of one WAL segment file: a power of two from 1 MiB to 1 GiB, fixed when the cluster is made.</summary>
public readonly record struct WalSegmentSize
{
    private readonly int bytes;

    private WalSegmentSize(int bytes) => this.bytes = bytes;

    /// <summary>PostgreSQL's default, 16 MiB.</summary>
    public static WalSegmentSize Default { get; } = new(16 << 20);

    /// <summary>The size in bytes. A default-constructed value counts as 16 MiB.</summary>
    public int Bytes => bytes == 0 ? Default.bytes : bytes;

    /// <summary>How many segments make 4 GiB of WAL: the base of the third field of a segment's name.</summary>
    public ulong SegmentsPerLogId => 0x1_0000_0000UL / (ulong)Bytes;

    /// <exception cref="ArgumentOutOfRangeException">Not a power of two from 1 MiB to 1 GiB.</exception>
    public static WalSegmentSize FromBytes(long bytes) => IsValid(bytes)
        ? new WalSegmentSize((int)bytes)
        : throw new ArgumentOutOfRangeException(
            nameof(bytes), bytes, "A WAL segment size is a power of two from 1 MiB to 1 GiB.");

    public static bool IsValid(long bytes) => bytes is >= 1 << 20 and <= 1 << 30 && (bytes & (bytes - 1)) == 0;

    /// <summary>The number of the segment that holds the byte at <paramref name="lsn"/>.</summary>
    public ulong SegmentNumber(Lsn lsn) => lsn.Value / (ulong)Bytes;

    /// <summary>The first byte of a segment.</summary>
    public Lsn StartOf(ulong segmentNumber) => new(checked(segmentNumber * (ulong)Bytes));

    public bool Equals(WalSegmentSize other) => Bytes == other.Bytes;

    public override int GetHashCode() => Bytes;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Bytes >> 20} MiB");
}
