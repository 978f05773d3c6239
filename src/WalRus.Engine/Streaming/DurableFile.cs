using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace WalRus.Streaming;

/// <summary>What making a local file durable takes, and what its failures mean.</summary>
public static class DurableFile
{
    private const int DiskFullLinux = 28;
    private const int QuotaLinux = 122;
    private const int DiskFullWindows = unchecked((int)0x80070070);
    private const int HandleDiskFullWindows = unchecked((int)0x80070027);

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

        using var handle = File.OpenHandle(folder, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        RandomAccess.FlushToDisk(handle);
    }

    /// <summary>The engine's error for a failure of the file system.</summary>
    public static WalRusException Translate(Exception failure, string path) => failure switch
    {
        UnauthorizedAccessException => new WalRusException(
            ErrorCode.FileAccessDenied,
            $"'{path}' may not be written by this account.",
            "Check the owner and the mode of the file and of its folder.",
            failure),
        IOException { HResult: DiskFullLinux or QuotaLinux or DiskFullWindows or HandleDiskFullWindows } => new WalRusException(
            ErrorCode.DiskFull,
            $"There is no room left on the disk that holds '{path}'.",
            "Make room and try again; nothing half-written was left.",
            failure),
        FileNotFoundException or DirectoryNotFoundException => new WalRusException(
            ErrorCode.FileNotFound, $"'{path}' does not exist: {failure.Message}", null, failure),
        _ => new WalRusException(ErrorCode.FileFailed, $"'{path}': {failure.Message}", null, failure),
    };
}
