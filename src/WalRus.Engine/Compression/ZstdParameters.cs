namespace WalRus.Compression;

/// <summary>What both zstd back ends are told.</summary>
/// <param name="Level">1 to 22.</param>
/// <param name="WindowLog">The window's size as a power of two; null for the level's own, which is below the limit.</param>
internal readonly record struct ZstdParameters(int Level, int? WindowLog)
{
    /// <summary>128 MiB: a frame that asks a reader for more is refused.</summary>
    public const int LargestWindowLogRead = 27;

    /// <summary>wal-g's 8 MiB windows go back to the system after each stream; smaller ones are kept for the next.</summary>
    public const int DecompressorKeptAtMostBytes = 3 * 1024 * 1024;

    // From here on libzstd's own windows may be larger than the 8 MiB that wal-g's reader is sure to take.
    private const int FirstLevelWithLargeWindow = 17;
    private const int LargestWindowLogWritten = 23;

    public static ZstdParameters ForLevel(int level)
    {
        var clamped = Math.Clamp(level, 1, 22);
        return new(clamped, clamped >= FirstLevelWithLargeWindow ? LargestWindowLogWritten : null);
    }
}
