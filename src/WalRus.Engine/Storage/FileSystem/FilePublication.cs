using System.Runtime.InteropServices;
using WalRus.Streaming;

namespace WalRus.Storage.FileSystem;

/// <summary>
/// Gives a finished temporary file its real name in one step of the file system.
/// <list type="bullet">
/// <item>Replacing: rename(2), which shows the old or the new file and nothing else.</item>
/// <item>Only if absent: link(2), which fails when the name is taken, then unlink(2) of the temporary name; where a file
/// system has no hard links, renameat2(2) with RENAME_NOREPLACE. .NET's File.Move looks first and renames after, which
/// two writers can both pass, so it is not used. A file system with neither is refused rather than guessed at.</item>
/// <item>Windows: MoveFileEx, which does both, writing the folder through to the disk.</item>
/// </list>
/// </summary>
internal static partial class FilePublication
{
    private const int Exists = 17;
    private const int RenameNoReplace = 1;
    private const int CurrentFolder = -100;
    private const uint MoveReplaceExisting = 1;
    private const uint MoveWriteThrough = 8;

    /// <summary>Never set: waiting for it is a pause of the writer's own finishing thread.</summary>
    private static readonly ManualResetEventSlim Never = new(false);

    /// <exception cref="IOException">Or <see cref="UnauthorizedAccessException"/>, as the system says.</exception>
    public static void Replace(string temporary, string path)
    {
        if (OperatingSystem.IsWindows())
        {
            MoveOnWindows(temporary, path, MoveReplaceExisting | MoveWriteThrough);
        }
        else
        {
            File.Move(temporary, path, overwrite: true);
        }
    }

    /// <returns>False when the name is taken; the temporary file is then still there.</returns>
    public static bool TryCreate(string temporary, string path)
    {
        if (OperatingSystem.IsWindows())
        {
            return MoveOnWindows(temporary, path, MoveWriteThrough);
        }

        if (Link(temporary, path) == 0)
        {
            File.Delete(temporary);
            return true;
        }

        return Marshal.GetLastPInvokeError() switch
        {
            Exists => false,
            // EPERM, ENOSYS, EOPNOTSUPP (Linux, macOS), EMLINK: no hard links here.
            1 or 38 or 78 or 95 or 45 or 31 => TryRenameExclusively(temporary, path),
            _ => throw DurableFile.SystemFailure(path),
        };
    }

    private static bool TryRenameExclusively(string temporary, string path)
    {
        if (OperatingSystem.IsLinux())
        {
            if (RenameAt2(CurrentFolder, temporary, CurrentFolder, path, RenameNoReplace) == 0)
            {
                return true;
            }

            if (Marshal.GetLastPInvokeError() == Exists)
            {
                return false;
            }
        }

        throw new WalRusException(
            ErrorCode.FileFailed,
            $"The file system that holds '{path}' can neither link nor rename a file without replacing another.",
            "Put the archive on a local or NFS file system, or allow overwriting (WALG_PREVENT_WAL_OVERWRITE=false).",
            DurableFile.SystemFailure(path));
    }

    private static bool MoveOnWindows(string temporary, string path, uint flags)
    {
        // A reader that has the old file open can hold the name for a moment; a virus scanner too.
        for (var attempt = 1; ; attempt++)
        {
            if (MoveFileEx(ExtendedPath(temporary), ExtendedPath(path), flags))
            {
                return true;
            }

            var error = Marshal.GetLastPInvokeError();
            switch (error)
            {
                case 80 or 183 when (flags & MoveReplaceExisting) == 0:
                    return false;
                case 5 or 32 or 33 when attempt < 20:
                    Never.Wait(TimeSpan.FromMilliseconds(10 * attempt));
                    continue;
                case 5:
                    throw new UnauthorizedAccessException($"{Marshal.GetPInvokeErrorMessage(error)} '{path}'");
                default:
                    throw new IOException(
                        $"{Marshal.GetPInvokeErrorMessage(error)} '{path}'", unchecked((int)0x80070000) | error);
            }
        }
    }

    /// <summary>The form of a full path that Windows takes at any length.</summary>
    private static string ExtendedPath(string path) =>
        path.StartsWith(@"\\?\", StringComparison.Ordinal) ? path
        : path.StartsWith(@"\\", StringComparison.Ordinal) ? @"\\?\UNC\" + path[2..]
        : @"\\?\" + path;

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string existing, string created);

    [LibraryImport("libc", EntryPoint = "renameat2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int RenameAt2(int oldFolder, string oldPath, int newFolder, string newPath, uint flags);

    [LibraryImport(
        "kernel32", EntryPoint = "MoveFileExW", SetLastError = true, StringMarshalling = StringMarshalling.Utf16)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool MoveFileEx(string existing, string moved, uint flags);
}
