using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using WalRus.WalG;

namespace WalRus.Backup;

internal enum FileKind
{
    File,
    Directory,
    SymbolicLink,
    Socket,

    /// <summary>A fifo or a device.</summary>
    Special,
}

/// <summary>What a file system says about one file, to the precision the backup's documents need.</summary>
/// <param name="Mode">The lower twelve permission bits; on Windows 0600, or 0700 for a directory.</param>
/// <param name="ModifiedNanoseconds">0 to 999,999,999, from <paramref name="ModifiedUnixSeconds"/> on.</param>
internal readonly partial record struct FileFacts(
    FileKind Kind,
    long SizeBytes,
    int Mode,
    uint UserId,
    uint GroupId,
    long ModifiedUnixSeconds,
    int ModifiedNanoseconds)
{
    private const int PrivateFile = 0x180; // 0600
    private const int PrivateDirectory = 0x1C0; // 0700

    /// <summary>Set when the C library or the kernel lacks statx: then .NET is asked, which stops at 100 ns.</summary>
    private static volatile bool statxIsMissing = !OperatingSystem.IsLinux();

    /// <summary>With the local zone's offset, as wal-g writes it.</summary>
    public WalGTime Modified
    {
        get
        {
            var instant = DateTimeOffset.FromUnixTimeSeconds(ModifiedUnixSeconds);
            return WalGTime.FromUnix(ModifiedUnixSeconds, ModifiedNanoseconds, TimeZoneInfo.Local.GetUtcOffset(instant));
        }
    }

    /// <summary>Whole seconds, rounded: what a tar header holds.</summary>
    public long ModifiedRoundedUnixSeconds => ModifiedUnixSeconds + (ModifiedNanoseconds >= 500_000_000 ? 1 : 0);

    /// <summary>Of the name itself: a link is not followed.</summary>
    /// <returns>False when nothing has that name (any more).</returns>
    /// <exception cref="IOException"/>
    /// <exception cref="UnauthorizedAccessException"/>
    public static bool TryOfPath(string path, out FileFacts facts)
    {
        const int CurrentDirectory = -100;
        const int NoFollow = 0x100;
        if (!statxIsMissing && TryStatx(CurrentDirectory, path, NoFollow, out facts, out var error))
        {
            return error == 0 || (IsGone(error) ? false : throw new IOException(Marshal.GetPInvokeErrorMessage(error)));
        }

        return TryManaged(path, out facts);
    }

    /// <summary>Of an open file.</summary>
    public static FileFacts OfHandle(SafeFileHandle handle, string path)
    {
        const int EmptyPath = 0x1000;
        if (!statxIsMissing)
        {
            var added = false;
            try
            {
                handle.DangerousAddRef(ref added);
                if (TryStatx((int)handle.DangerousGetHandle(), "", EmptyPath, out var facts, out var error))
                {
                    return error == 0 ? facts : throw new IOException($"'{path}': {Marshal.GetPInvokeErrorMessage(error)}");
                }
            }
            finally
            {
                if (added)
                {
                    handle.DangerousRelease();
                }
            }
        }

        var (seconds, nanoseconds) = Split(File.GetLastWriteTimeUtc(handle));
        var mode = OperatingSystem.IsWindows() ? PrivateFile : (int)File.GetUnixFileMode(handle);
        return new FileFacts(FileKind.File, RandomAccess.GetLength(handle), mode, 0, 0, seconds, nanoseconds);
    }

    private static bool IsGone(int error) => error is 2 or 20; // ENOENT, ENOTDIR

    /// <summary>False when this machine has no statx; else the facts, or the error number.</summary>
    private static unsafe bool TryStatx(int folder, string path, int flags, out FileFacts facts, out int error)
    {
        const int NotImplemented = 38;
        const uint BasicStats = 0x7FF;
        facts = default;
        error = 0;
        try
        {
            Statx stat;
            if (Native.StatX(folder, path, flags, BasicStats, &stat) == 0)
            {
                facts = new FileFacts(
                    KindOf(stat.Mode),
                    (long)stat.Size,
                    stat.Mode & 0xFFF,
                    stat.UserId,
                    stat.GroupId,
                    stat.ModifiedSeconds,
                    (int)stat.ModifiedNanoseconds);
                return true;
            }

            error = Marshal.GetLastPInvokeError();
            statxIsMissing = error == NotImplemented;
            return !statxIsMissing;
        }
        catch (EntryPointNotFoundException)
        {
            statxIsMissing = true;
            return false;
        }
    }

    private static FileKind KindOf(int mode) => (mode & 0xF000) switch
    {
        0x8000 => FileKind.File,
        0x4000 => FileKind.Directory,
        0xA000 => FileKind.SymbolicLink,
        0xC000 => FileKind.Socket,
        _ => FileKind.Special,
    };

    private static bool TryManaged(string path, out FileFacts facts)
    {
        facts = default;
        var file = new FileInfo(path);
        FileAttributes attributes;
        try
        {
            attributes = File.GetAttributes(path);
        }
        catch (Exception gone) when (gone is FileNotFoundException or DirectoryNotFoundException)
        {
            return false;
        }

        var kind = file.LinkTarget is not null ? FileKind.SymbolicLink
            : attributes.HasFlag(FileAttributes.Directory) ? FileKind.Directory
            : attributes.HasFlag(FileAttributes.Device) ? FileKind.Special
            : FileKind.File;
        var (seconds, nanoseconds) = Split(file.LastWriteTimeUtc);
        var mode = !OperatingSystem.IsWindows() ? (int)file.UnixFileMode
            : kind == FileKind.Directory ? PrivateDirectory : PrivateFile;
        facts = new FileFacts(kind, kind == FileKind.File ? file.Length : 0, mode, 0, 0, seconds, nanoseconds);
        return true;
    }

    private static (long Seconds, int Nanoseconds) Split(DateTime utc)
    {
        var ticks = utc.Ticks - DateTime.UnixEpoch.Ticks;
        var seconds = Math.DivRem(ticks, TimeSpan.TicksPerSecond, out var rest);
        return rest < 0
            ? (seconds - 1, (int)(rest + TimeSpan.TicksPerSecond) * 100)
            : (seconds, (int)rest * 100);
    }

    /// <summary>struct statx of Linux: the same on every processor.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Statx
    {
        [FieldOffset(20)]
        public uint UserId;

        [FieldOffset(24)]
        public uint GroupId;

        [FieldOffset(28)]
        public ushort Mode;

        [FieldOffset(40)]
        public ulong Size;

        [FieldOffset(112)]
        public long ModifiedSeconds;

        [FieldOffset(120)]
        public uint ModifiedNanoseconds;
    }

    private static unsafe partial class Native
    {
        [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
        public static partial int StatX(int folder, string path, int flags, uint mask, Statx* result);
    }
}
