namespace WalRus.Compression;

/// <summary>The constants of RFC 1951, section 3.2.</summary>
internal static class DeflateTables
{
    public const int LiteralSymbols = 288;
    public const int UsableLiteralSymbols = 286;
    public const int DistanceSymbols = 32;
    public const int UsableDistanceSymbols = 30;
    public const int LengthCodeSymbols = 19;

    /// <summary>The order in which the lengths of the code-length code are sent.</summary>
    public static ReadOnlySpan<byte> LengthCodeOrder =>
        [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

    /// <summary>The shortest match of symbol 257 and on.</summary>
    public static ReadOnlySpan<ushort> LengthBase =>
    [
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
    ];

    public static ReadOnlySpan<byte> LengthExtraBits =>
        [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];

    public static ReadOnlySpan<ushort> DistanceBase =>
    [
        1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
        8193, 12289, 16385, 24577,
    ];

    public static ReadOnlySpan<byte> DistanceExtraBits =>
        [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];

    /// <summary>The code lengths of a block with fixed codes.</summary>
    public static byte[] FixedLiteralLengths { get; } = MakeFixedLiteralLengths();

    public static byte[] FixedDistanceLengths { get; } = [.. Enumerable.Repeat((byte)5, DistanceSymbols)];

    private static byte[] MakeFixedLiteralLengths()
    {
        var lengths = new byte[LiteralSymbols];
        for (var symbol = 0; symbol < lengths.Length; symbol++)
        {
            lengths[symbol] = symbol switch
            {
                < 144 => 8,
                < 256 => 9,
                < 280 => 7,
                _ => 8,
            };
        }

        return lengths;
    }
}
