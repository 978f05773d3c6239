using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using WalRus.Streaming;
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

    /// <summary>The numbers of the user with this name and of its group; null when there is none. Unix only.</summary>
    public static unsafe UnixOwner? FindUser(string name)
    {
        var buffer = stackalloc byte[BufferBytes];
        var record = stackalloc nint[16];
        nint found = 0;
        if (Native.FindUser(name, record, buffer, BufferBytes, &found) != 0 || found == 0)
        {
            return null;
        }

        // struct passwd begins with two pointers (name, password), then the two numbers.
        var numbers = (uint*)((nint*)found + 2);
        return new UnixOwner(numbers[0], numbers[1]);
    }

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

        [LibraryImport("libc", EntryPoint = "getpwnam_r", StringMarshalling = StringMarshalling.Utf8)]
        public static partial int FindUser(string name, void* record, byte* buffer, nint length, nint* found);

        [LibraryImport("libc", EntryPoint = "getgrgid_r")]
        public static partial int GetGroup(uint id, void* record, byte* buffer, nint length, nint* found);
    }
}
