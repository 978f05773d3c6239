using System.Runtime.InteropServices;

namespace WalRus.Wal;

/// <summary>
/// What tells whether a path still names the file that was read, unwritten since: its number, size, and the times of its
/// last write and (on Linux) of its last change of any kind, which no program can set back.
/// </summary>
internal readonly unsafe partial record struct FileIdentity(ulong FileId, long LengthBytes, long Written, long Changed)
{
    private const int AtCurrentDirectory = -100;
    private const uint StatxBasic = 0x7FF;
    private const int StatxBytes = 256;
    private const int InodeOffset = 32;
    private const int SizeOffset = 40;
    private const int ChangedOffset = 96;
    private const int WrittenOffset = 112;

    /// <summary>Null when there is no such file, or none that can be looked at.</summary>
    public static FileIdentity? Of(string path)
    {
        if (OperatingSystem.IsLinux())
        {
            try
            {
                return OfLinux(path);
            }
            catch (EntryPointNotFoundException)
            {
                // An old libc: what .NET tells everywhere will do.
            }
        }

        var info = new FileInfo(path);
        return info.Exists
            ? new FileIdentity(0, info.Length, info.LastWriteTimeUtc.Ticks, info.CreationTimeUtc.Ticks)
            : null;
    }

    private static FileIdentity? OfLinux(string path)
    {
        var facts = stackalloc byte[StatxBytes];
        return Statx(AtCurrentDirectory, path, 0, StatxBasic, facts) == 0
            ? new FileIdentity(
                *(ulong*)(facts + InodeOffset), *(long*)(facts + SizeOffset), Time(facts + WrittenOffset), Time(facts + ChangedOffset))
            : null;
    }

    /// <summary>Nanoseconds since 1970; wraps in the year 2262, which a comparison for equality does not mind.</summary>
    private static long Time(byte* stamp) => unchecked((*(long*)stamp * 1_000_000_000) + *(uint*)(stamp + 8));

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint mask, byte* result);
}
