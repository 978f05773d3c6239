namespace WalRus.Storage;

/// <summary>
/// A key below a store's root: segments joined by '/', no leading or trailing slash, no empty, "." or ".." segment,
/// no control character or backslash. So a key can never name anything outside the root, on any store or system.
/// </summary>
public readonly record struct ObjectKey : IComparable<ObjectKey>
{
    /// <summary>S3's limit, in UTF-8 bytes; other stores take at least as much.</summary>
    public const int MaxLengthBytes = 1024;

    private readonly string? value;

    private ObjectKey(string value) => this.value = value;

    /// <summary>The part after the last '/'.</summary>
    public string Name => Value[(Value.LastIndexOf('/') + 1)..];

    private string Value => value ?? throw new InvalidOperationException("An ObjectKey must be made by Parse.");

    /// <exception cref="FormatException">The text is no valid key.</exception>
    public static ObjectKey Parse(string text) =>
        TryParse(text, out var key) ? key : throw new FormatException($"'{text}' is not a valid object key.");

    public static bool TryParse(string? text, out ObjectKey key)
    {
        key = default;
        if (string.IsNullOrEmpty(text) || System.Text.Encoding.UTF8.GetByteCount(text) > MaxLengthBytes)
        {
            return false;
        }

        foreach (var segment in text.Split('/'))
        {
            if (segment.Length == 0 || segment is "." or ".." || segment.AsSpan().IndexOfAnyInRange('\0', '\x1f') >= 0
                || segment.Contains('\\', StringComparison.Ordinal))
            {
                return false;
            }
        }

        key = new ObjectKey(text);
        return true;
    }

    public int CompareTo(ObjectKey other) => string.CompareOrdinal(Value, other.Value);

    public override string ToString() => Value;
}
