using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace WalRus.Streaming;

/// <summary>Who owns files, as numbers.</summary>
internal readonly record struct UnixOwner(uint UserId, uint GroupId)
{
    public const uint Root = 0;
}

/// <summary>The few system calls that .NET has no name for. Unix only; callers ask for the system first.</summary>
internal static unsafe partial class UnixFiles
{
    /// <summary>O_DIRECTORY | O_CLOEXEC differ by machine; O_RDONLY alone is everywhere 0 and opens folders.</summary>
    private const int OpenFolderReadOnly = 0;

    private const int AtCurrentDirectory = -100;
    private const uint StatxBasic = 0x7FF;
    private const int StatxBytes = 256;
    private const int StatxUserOffset = 20;
    private const int StatxGroupOffset = 24;

    /// <summary>Gives a file, folder or link (not what it leads to) to its owner.</summary>
    public static void ChangeOwner(string path, UnixOwner owner)
    {
        if (ChangeLinkOwner(path, owner.UserId, owner.GroupId) != 0)
        {
            throw Failed($"The owner of '{path}' could not be set");
        }
    }

    public static void ChangeOwner(SafeFileHandle handle, string path, UnixOwner owner)
    {
        if (ChangeHandleOwner(handle, owner.UserId, owner.GroupId) != 0)
        {
            throw Failed($"The owner of '{path}' could not be set");
        }
    }

    /// <summary>The owner of a path (of what a link leads to); null where it cannot be told (not Linux, an old libc).</summary>
    public static UnixOwner? OwnerOf(string path)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        var facts = stackalloc byte[StatxBytes];
        try
        {
            return Statx(AtCurrentDirectory, path, 0, StatxBasic, facts) == 0
                ? new UnixOwner(*(uint*)(facts + StatxUserOffset), *(uint*)(facts + StatxGroupOffset))
                : null;
        }
        catch (EntryPointNotFoundException)
        {
            return null;
        }
    }

    /// <summary>A handle on a folder, which .NET does not open; for <see cref="SyncFileSystem"/>.</summary>
    public static SafeFileHandle OpenFolder(string path)
    {
        var handle = new SafeFileHandle(Open(path, OpenFolderReadOnly), ownsHandle: true);
        return handle.IsInvalid ? throw Failed($"'{path}' could not be opened") : handle;
    }

    /// <summary>
    /// Writes everything of a folder's file system to disk. Since Linux 5.8 it also reports data that could not be
    /// written since the handle was opened.
    /// </summary>
    public static void SyncFileSystem(SafeFileHandle folder, string path)
    {
        if (SyncFs(folder) != 0)
        {
            throw Failed($"'{path}' could not be made durable");
        }
    }

    private static IOException Failed(string message)
    {
        var error = Marshal.GetLastPInvokeError();
        return new IOException($"{message}: {new Win32Exception(error).Message}", error);
    }

    [LibraryImport("libc", EntryPoint = "lchown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int ChangeLinkOwner(string path, uint user, uint group);

    [LibraryImport("libc", EntryPoint = "fchown", SetLastError = true)]
    private static partial int ChangeHandleOwner(SafeFileHandle handle, uint user, uint group);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint mask, byte* result);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "syncfs", SetLastError = true)]
    private static partial int SyncFs(SafeFileHandle folder);
}
