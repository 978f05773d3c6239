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

    // On WAL and tables libzstd's own windows of 1 and 2 MiB gain nothing over 512 KiB, which stay in a core's cache:
    // level 3 takes a third less time and 1.6 MB less memory.
    private const int LastLevelWithSmallWindow = 3;
    private const int SmallWindowLog = 19;

    // From here on libzstd's own windows may be larger than the 8 MiB that wal-g's reader is sure to take.
    private const int FirstLevelWithLargeWindow = 17;
    private const int LargestWindowLogWritten = 23;

    public static ZstdParameters ForLevel(int level)
    {
        var clamped = Math.Clamp(level, 1, 22);
        return new(clamped, clamped switch
        {
            <= LastLevelWithSmallWindow => SmallWindowLog,
            >= FirstLevelWithLargeWindow => LargestWindowLogWritten,
            _ => null,
        });
    }
}
