using System.Globalization;

namespace WalRus.Storage.FileSystem;

/// <summary>
/// The names under which objects are written before they are renamed: <c>NAME.tmp.YYYYMMDDThhmmssZ-16 hex</c>, as wal-g's
/// folder storage has them (wal-g's layout, section 10). Both tools hide each other's.
/// </summary>
internal static class TemporaryName
{
    private const string Marker = ".tmp.";
    private const string TimeFormat = "yyyyMMdd'T'HHmmss'Z'";
    private const int TimeLength = 16;
    private const int RandomLength = 16;
    private const int SuffixLength = TimeLength + 1 + RandomLength;

    public static string For(string name, DateTimeOffset now) => string.Concat(
        name,
        Marker,
        now.UtcDateTime.ToString(TimeFormat, CultureInfo.InvariantCulture),

        // Not RandomNumberGenerator: it loads OpenSSL, a third of the memory and time of one wal-push.
        "-" + Guid.NewGuid().ToString("N")[^RandomLength..]);

    public static bool Is(ReadOnlySpan<char> name) => TryParse(name, out _);

    /// <param name="name">A file's name.</param>
    /// <param name="started">When its write began.</param>
    public static bool TryParse(ReadOnlySpan<char> name, out DateTimeOffset started)
    {
        started = default;
        if (name.Length <= Marker.Length + SuffixLength || name[^(RandomLength + 1)] != '-')
        {
            return false;
        }

        var suffix = name[^SuffixLength..];
        return name[..^SuffixLength].EndsWith(Marker, StringComparison.Ordinal)
            && suffix[^RandomLength..].IndexOfAnyExcept("0123456789abcdef") < 0
            && DateTimeOffset.TryParseExact(
                suffix[..TimeLength],
                TimeFormat,
                CultureInfo.InvariantCulture,
                DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal,
                out started);
    }
}
