using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace WalRus.Cli;

/// <summary>
/// What keeps a process small, done before its first thread: glibc gives every thread an arena of its own and 8 MB of
/// stack address space, which no work here needs and which counts against ulimit -v.
/// </summary>
internal static partial class ProcessStart
{
    private const int MaxArenas = -8;
    private const nuint ThreadStackBytes = 512 * 1024;

    /// <summary>At least what pthread_attr_t takes on any architecture of glibc, aligned.</summary>
    private const int AttributeWords = 16;

    public static void BoundMemory()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        try
        {
            BoundOnLinux();
        }
        catch (EntryPointNotFoundException)
        {
            // Another libc (musl): its own defaults are small.
        }
        catch (DllNotFoundException)
        {
            // As above.
        }
    }

    [SupportedOSPlatform("linux")]
    private static unsafe void BoundOnLinux()
    {
        SetAllocatorOption(MaxArenas, 1);
        var attributes = stackalloc ulong[AttributeWords];
        if (InitializeAttributes(attributes) == 0)
        {
            if (SetStackSize(attributes, ThreadStackBytes) == 0)
            {
                SetDefaultAttributes(attributes);
            }

            DestroyAttributes(attributes);
        }
    }

    [LibraryImport("libc", EntryPoint = "mallopt")]
    private static partial int SetAllocatorOption(int option, int value);

    [LibraryImport("libc", EntryPoint = "pthread_attr_init")]
    private static unsafe partial int InitializeAttributes(ulong* attributes);

    [LibraryImport("libc", EntryPoint = "pthread_attr_setstacksize")]
    private static unsafe partial int SetStackSize(ulong* attributes, nuint bytes);

    [LibraryImport("libc", EntryPoint = "pthread_setattr_default_np")]
    private static unsafe partial int SetDefaultAttributes(ulong* attributes);

    [LibraryImport("libc", EntryPoint = "pthread_attr_destroy")]
    private static unsafe partial int DestroyAttributes(ulong* attributes);
}
