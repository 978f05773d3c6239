using System.Runtime.InteropServices;

namespace WalRus.Streaming;

/// <summary>What making a local file durable takes, and what its failures mean.</summary>
public static partial class DurableFile
{
    private const int DiskFullLinux = 28;
    private const int QuotaLinux = 122;
    private const int DiskFullWindows = unchecked((int)0x80070070);
    private const int HandleDiskFullWindows = unchecked((int)0x80070027);

    /// <summary>O_RDONLY | O_CLOEXEC.</summary>
    private static readonly int OpenReadOnly = OperatingSystem.IsMacOS() ? 0x1000000 : 0x80000;

    /// <summary>A new file for this account alone (0600); fails if the name is taken.</summary>
    public static FileStream Create(string path)
    {
        var options = new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            Share = FileShare.Read,
            BufferSize = 0,
        };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        return new FileStream(path, options);
    }

    /// <summary>Makes names in a folder durable (created, renamed, removed). Windows' file systems do it by themselves.</summary>
    public static void SyncFolder(string folder)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        // .NET opens no handle on a folder, so the system is asked directly.
        var folderFd = Open(folder, OpenReadOnly);
        if (folderFd < 0)
        {
            throw SystemFailure(folder);
        }

        try
        {
            // EINVAL, EBADF and ENOTSUP: this file system has nothing to sync for a folder.
            if (Fsync(folderFd) != 0 && Marshal.GetLastPInvokeError() is not (22 or 9 or 95 or 45))
            {
                throw SystemFailure(folder);
            }
        }
        finally
        {
            _ = Close(folderFd);
        }
    }

    /// <summary>The engine's error for a failure of the file system.</summary>
    public static WalRusException Translate(Exception failure, string path) => failure switch
    {
        UnauthorizedAccessException => new WalRusException(
            ErrorCode.FileAccessDenied,
            $"'{path}' may not be written by this account.",
            "Check the owner and the mode of the file and of its folder.",
            failure),
        IOException { HResult: DiskFullLinux or QuotaLinux or DiskFullWindows or HandleDiskFullWindows } => NoRoom(path, failure),
        FileNotFoundException or DirectoryNotFoundException => new WalRusException(
            ErrorCode.FileNotFound, $"'{path}' does not exist: {failure.Message}", null, failure),
        _ => new WalRusException(ErrorCode.FileFailed, $"'{path}': {failure.Message}", null, failure),
    };

    public static WalRusException NoRoom(string path, Exception failure) => new(
        ErrorCode.DiskFull,
        $"There is no room left on the disk that holds '{path}'.",
        "Make room and try again; nothing half-written was left.",
        failure);

    /// <summary>The exception for the error that the last system call left in errno.</summary>
    internal static Exception SystemFailure(string path)
    {
        var error = Marshal.GetLastPInvokeError();
        var message = $"{Marshal.GetPInvokeErrorMessage(error)}: '{path}'";
        return error switch
        {
            1 or 13 or 30 => new UnauthorizedAccessException(message),
            2 or 20 => new DirectoryNotFoundException(message),
            _ => new IOException(message, error),
        };
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Fsync(int fd);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int fd);
}
