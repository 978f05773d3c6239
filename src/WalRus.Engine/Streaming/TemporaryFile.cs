namespace WalRus.Streaming;

/// <summary>Temporary files for what must not be held in memory.</summary>
public static class TemporaryFile
{
    private const int BufferBytes = 64 * 1024;

    /// <summary>Where they are: some hundred megabytes at times, so not in a /tmp that may be memory.</summary>
    public static string Folder()
    {
        const string Persistent = "/var/tmp";
        var temporary = Path.GetTempPath();
        return OperatingSystem.IsLinux() && temporary is "/tmp/" && Directory.Exists(Persistent) ? Persistent : temporary;
    }

    /// <summary>A new file that this account alone can read, and that is gone when closed or when the process ends.</summary>
    /// <exception cref="WalRusException">The folder is missing or not writable, or its disk is full.</exception>
    /// <param name="folder">Null for <see cref="Folder"/>.</param>
    /// <param name="bufferBytes">0 for none, as those who read and write at offsets want it.</param>
    public static FileStream Create(string? folder = null, int bufferBytes = BufferBytes)
    {
        var path = Path.Combine(folder ?? Folder(), $"walrus-{Guid.NewGuid():N}.tmp");
        var options = new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.ReadWrite,
            Share = FileShare.Delete,
            BufferSize = bufferBytes,
        };
        try
        {
            if (OperatingSystem.IsWindows())
            {
                options.Options = FileOptions.DeleteOnClose;
                return new FileStream(path, options);
            }

            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            var file = new FileStream(path, options);
            File.Delete(path);
            return file;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(exception, path);
        }
    }
}
