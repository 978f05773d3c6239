using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using WalRus.Streaming.Tar;

namespace WalRus.Backup;

/// <summary>
/// Names of Unix users and groups by number, remembered: a backup has millions of files and one or two owners.
/// </summary>
internal sealed partial class UnixAccounts
{
    private const int BufferBytes = 16 * 1024;

    private readonly ConcurrentDictionary<uint, string> users = new();
    private readonly ConcurrentDictionary<uint, string> groups = new();

    /// <summary>The names, empty where there is none (and on Windows).</summary>
    public TarOwner Of(in FileFacts facts) => OperatingSystem.IsWindows()
        ? TarOwner.None
        : new TarOwner(
            users.GetOrAdd(facts.UserId, static id => NameOf(id, isGroup: false)),
            groups.GetOrAdd(facts.GroupId, static id => NameOf(id, isGroup: true)));

    private static unsafe string NameOf(uint id, bool isGroup)
    {
        // struct passwd and struct group differ between systems, but both begin with the pointer to the name.
        var buffer = stackalloc byte[BufferBytes];
        var record = stackalloc nint[16];
        nint found = 0;
        var error = isGroup
            ? Native.GetGroup(id, record, buffer, BufferBytes, &found)
            : Native.GetUser(id, record, buffer, BufferBytes, &found);
        return error == 0 && found != 0 ? Marshal.PtrToStringUTF8(*(nint*)found) ?? "" : "";
    }

    private static unsafe partial class Native
    {
        [LibraryImport("libc", EntryPoint = "getpwuid_r")]
        public static partial int GetUser(uint id, void* record, byte* buffer, nint length, nint* found);

        [LibraryImport("libc", EntryPoint = "getgrgid_r")]
        public static partial int GetGroup(uint id, void* record, byte* buffer, nint length, nint* found);
    }
}
