using WalRus.Storage;

namespace WalRus.Backup;

/// <summary>wal-g's <c>--mask</c>: restore only files whose whole path matches a shell pattern.</summary>
internal sealed class RestoreMask
{
    private readonly ShellPattern pattern;

    /// <exception cref="WalRusException"><see cref="ErrorCode.InvalidArgument"/>: not a pattern.</exception>
    public RestoreMask(string pattern) => this.pattern = new ShellPattern(pattern.TrimStart('/'));

    /// <param name="relative">A path below the data directory, without a leading slash.</param>
    public bool Matches(string relative) => pattern.Matches(relative);
}
