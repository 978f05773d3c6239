using System.Globalization;
using WalRus.Postgres;

namespace WalRus.Wal;

/// <summary>What a segment's first page says must agree with its name and size. Source: PostgreSQL's xlog_internal.h.</summary>
internal static class WalSegmentCheck
{
    /// <summary>The first page of every segment starts with the long header.</summary>
    public const int HeaderBytes = WalPageHeader.LongLength;

    /// <summary>Why the bytes cannot be the segment of this name, or null when they can.</summary>
    /// <param name="name">The name the bytes go by.</param>
    /// <param name="firstBytes">At least <see cref="HeaderBytes"/> bytes from the start, or all there are.</param>
    /// <param name="length">Total bytes.</param>
    /// <param name="expectedSize">The cluster's segment size where it is known from elsewhere.</param>
    /// <param name="header">The parsed header, when the result is null.</param>
    public static string? Problem(
        WalFileName name,
        ReadOnlySpan<byte> firstBytes,
        long length,
        WalSegmentSize? expectedSize,
        out WalPageHeader header)
    {
        if (!WalPageHeader.TryParse(firstBytes, out header) || !header.IsLong)
        {
            return "its first page has no WAL page header";
        }

        if (!WalSegmentSize.IsValid(header.SegmentSizeBytes))
        {
            return Invariant($"its header gives a segment size of {header.SegmentSizeBytes} bytes, which is impossible");
        }

        var size = WalSegmentSize.FromBytes(header.SegmentSizeBytes);
        if (expectedSize is { } expected && expected != size)
        {
            return Invariant($"its header gives a segment size of {size}, but {expected} is configured (WALG_PG_WAL_SIZE)");
        }

        if (length != size.Bytes)
        {
            return Invariant($"it has {length} bytes instead of the segment size {size.Bytes}");
        }

        if (!name.IsValidFor(size) || header.PageAddress != name.StartLsn(size))
        {
            return Invariant($"its first page is of WAL position {header.PageAddress}, not of the position in its name");
        }

        return header.Timeline > name.Timeline
            ? Invariant($"its first page is of timeline {header.Timeline}, later than the one in its name")
            : null;
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
