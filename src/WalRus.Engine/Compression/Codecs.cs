namespace WalRus.Compression;

/// <summary>Every codec by its name.</summary>
public static class Codecs
{
    /// <summary>
    /// One of each at its default level, in the order in which wal-g looks for an object under several extensions: where
    /// one was stored twice, both tools must read the same.
    /// </summary>
    public static IReadOnlyList<Codec> ReadOrder { get; } =
    [
        new Lz4Codec(), new LzmaCodec(), new GzipCodec(), new NoneCodec(), new BrotliCodec(), new ZstdCodec(),
    ];

    /// <summary>Makes the codec that new objects are written with.</summary>
    /// <param name="method"><c>WALG_COMPRESSION_METHOD</c>, any case; empty means none, as in WAL-RUS.</param>
    /// <param name="level"><c>WALG_COMPRESSION_LEVEL</c>, clamped to what the method knows; null for its default.</param>
    /// <param name="zstdLevel"><c>WALG_ZSTD_LEVEL</c>: fastest, default, better or best; wins over the number.</param>
    /// <exception cref="WalRusException"><see cref="ErrorCode.SettingInvalid"/>.</exception>
    public static Codec Create(string method, int? level = null, string? zstdLevel = null)
    {
        var name = method.ToLowerInvariant();
        if (!string.IsNullOrEmpty(zstdLevel) && name != "zstd")
        {
            throw Invalid(
                $"WALG_ZSTD_LEVEL is set, but the compression method is '{method}'.",
                "Set WALG_COMPRESSION_METHOD to zstd, or remove WALG_ZSTD_LEVEL.");
        }

        return name switch
        {
            "lz4" => new Lz4Codec(level),
            "zstd" => new ZstdCodec(ZstdLevel(zstdLevel) ?? level),
            "lzma" => new LzmaCodec(level),
            "brotli" => new BrotliCodec(level),
            "gzip" or "gz" => new GzipCodec(level),
            "none" or "" => new NoneCodec(),
            _ => throw Invalid(
                $"'{method}' is not a compression method.",
                "Set WALG_COMPRESSION_METHOD to lz4, zstd, brotli, lzma, gzip or none."),
        };
    }

    /// <summary>The numbers nearest to what wal-g's library means by its four names.</summary>
    private static int? ZstdLevel(string? name) => name?.ToLowerInvariant() switch
    {
        null or "" => null,
        "fastest" => 1,
        "default" => 3,
        "better" => 7,
        "best" => 11,
        _ => throw Invalid(
            $"'{name}' is not a zstd level.", "Set WALG_ZSTD_LEVEL to fastest, default, better or best."),
    };

    private static WalRusException Invalid(string message, string hint) =>
        new(ErrorCode.SettingInvalid, message, hint);
}
