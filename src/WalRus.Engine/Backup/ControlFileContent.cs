using WalRus.Postgres;

namespace WalRus.Backup;

/// <summary>
/// <c>global/pg_control</c> of a running server. The server writes it in place: a reading that falls into a write has a
/// wrong checksum and is repeated.
/// </summary>
/// <param name="Bytes">The file.</param>
/// <param name="Parsed">Null for a version this program does not know.</param>
internal sealed record ControlFileContent(byte[] Bytes, FileFacts Facts, ControlFile? Parsed)
{
    private const int MaxReadings = 20;
    private const int MaxBytes = 64 * 1024;

    public static string PathIn(string dataDirectory) => Path.Combine(dataDirectory, "global", "pg_control");

    /// <param name="serverVersion">A version newer than this program's knowledge is read without a check.</param>
    /// <exception cref="WalRusException"><see cref="ErrorCode.DataDirectoryInvalid"/>: missing, or damaged on every reading.</exception>
    public static ControlFileContent Read(string dataDirectory, int serverVersion)
    {
        for (var reading = 1; ; reading++)
        {
            var (bytes, facts) = ReadOnce(dataDirectory);
            try
            {
                var parsed = serverVersion < ServerFacts.NewerVersion ? ControlFile.Parse(bytes) : null;
                return new ControlFileContent(bytes, facts, parsed);
            }
            catch (WalRusException torn) when (torn.Code == ErrorCode.DataDirectoryInvalid && reading < MaxReadings)
            {
                // The write takes microseconds: opening the file again is wait enough.
            }
        }
    }

    private static (byte[] Bytes, FileFacts Facts) ReadOnce(string dataDirectory)
    {
        var path = PathIn(dataDirectory);
        using var file = DataFile.TryOpen(path, 0) ?? throw new WalRusException(
            ErrorCode.DataDirectoryInvalid,
            $"'{path}' does not exist: '{dataDirectory}' is no PostgreSQL data directory.",
            "Give the server's data directory (SHOW data_directory).");
        if (file.Facts.SizeBytes > MaxBytes)
        {
            throw new WalRusException(ErrorCode.DataDirectoryInvalid, $"'{path}' has {file.Facts.SizeBytes} bytes: it is none.");
        }

        var bytes = new byte[file.Facts.SizeBytes];
        return file.Read(bytes, 0) == bytes.Length
            ? (bytes, file.Facts)
            : throw new WalRusException(ErrorCode.DataDirectoryInvalid, $"'{path}' became shorter while it was read.");
    }
}
