using Microsoft.Win32.SafeHandles;

namespace WalRus.Backup;

/// <summary>A file that is read into a backup while the server may write, extend, truncate or remove it.</summary>
internal interface IDataFile : IDisposable
{
    /// <summary>As they were when the file was opened.</summary>
    FileFacts Facts { get; }

    /// <summary>Reads at an offset. Fewer bytes than asked, or 0, only where the file ends now.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.FileFailed"/>.</exception>
    int Read(Span<byte> target, long offset);
}

/// <summary>An <see cref="IDataFile"/> on disk.</summary>
internal sealed class DataFile : IDataFile
{
    /// <summary>From this size on the kernel is told that the whole file will be read.</summary>
    private const long SequentialBytes = 1 << 20;

    private readonly SafeFileHandle handle;
    private readonly string path;

    private DataFile(SafeFileHandle handle, string path)
    {
        this.handle = handle;
        this.path = path;
        Facts = FileFacts.OfHandle(handle, path);
    }

    public FileFacts Facts { get; }

    /// <param name="expectedBytes">The size it had when it was found.</param>
    /// <returns>Null when the file is gone: its table was dropped.</returns>
    /// <exception cref="WalRusException"><see cref="ErrorCode.FileAccessDenied"/>, <see cref="ErrorCode.FileFailed"/>.</exception>
    public static IDataFile? TryOpen(string path, long expectedBytes)
    {
        SafeFileHandle? handle = null;
        try
        {
            // Windows: the server itself opens its files for all sharing, and removes them while they are open.
            handle = File.OpenHandle(
                path,
                FileMode.Open,
                FileAccess.Read,
                FileShare.ReadWrite | FileShare.Delete,
                expectedBytes >= SequentialBytes ? FileOptions.SequentialScan : FileOptions.None);
            return new DataFile(handle, path);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            handle?.Dispose();
            if (failure is FileNotFoundException or DirectoryNotFoundException || IsBeingDeleted(failure, path))
            {
                return null;
            }

            throw Translate(failure, path);
        }
    }

    public int Read(Span<byte> target, long offset)
    {
        var total = 0;
        try
        {
            while (total < target.Length)
            {
                var count = RandomAccess.Read(handle, target[total..], offset + total);
                if (count == 0)
                {
                    break;
                }

                total += count;
            }

            return total;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw Translate(failure, path);
        }
    }

    public void Dispose() => handle.Dispose();

    /// <summary>The engine's error for something of the data directory that cannot be read.</summary>
    public static WalRusException Translate(Exception failure, string path) => failure switch
    {
        UnauthorizedAccessException => new WalRusException(
            ErrorCode.FileAccessDenied,
            $"'{path}' may not be read by this account.",
            "Run the backup as the server's own OS account (usually postgres), or as one that may read all of its files.",
            failure),
        _ => new WalRusException(
            ErrorCode.FileFailed,
            $"'{path}' cannot be read: {failure.Message}",
            "Check the disk; a data file that cannot be read is lost to every backup until it is repaired.",
            failure),
    };

    /// <summary>On Windows a file that is removed but still open somewhere answers "access denied" until it is gone.</summary>
    private static bool IsBeingDeleted(Exception failure, string path) =>
        OperatingSystem.IsWindows() && failure is UnauthorizedAccessException && !File.Exists(path);
}
