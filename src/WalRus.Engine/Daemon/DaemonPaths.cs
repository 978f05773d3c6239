namespace WalRus.Daemon;

/// <summary>
/// Where the daemon finds and puts files: it does not run in the data directory, as the commands it replaces do.
/// </summary>
/// <param name="dataDirectory"><c>PGDATA</c>; null for the daemon's own working directory.</param>
internal sealed class DaemonPaths(string? dataDirectory)
{
    private readonly string root = Path.GetFullPath(dataDirectory ?? ".");

    /// <summary>
    /// The file a push means: <c>%f</c>, <c>%p</c>, or an absolute path. (wal-g's daemon takes <c>%f</c> only, and makes
    /// <c>pg_wal/pg_wal/NAME</c> of <c>%p</c>.)
    /// </summary>
    public string Pushed(string argument) =>
        Path.GetFileName(argument) == argument ? Path.Combine(WalFolder, argument) : Path.GetFullPath(argument, root);

    /// <summary>Where a fetched file goes: <c>%p</c>, which is relative to the data directory, or an absolute path.</summary>
    public string Destination(string argument) => Path.GetFullPath(argument, root);

    /// <summary>PostgreSQL 9.6 and older call it <c>pg_xlog</c>.</summary>
    public string WalFolder
    {
        get
        {
            var old = Path.Combine(root, "pg_xlog");
            var folder = Path.Combine(root, "pg_wal");
            return !Directory.Exists(folder) && Directory.Exists(old) ? old : folder;
        }
    }
}
