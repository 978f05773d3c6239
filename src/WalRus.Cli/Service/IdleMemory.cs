using System.Globalization;
using System.Runtime;
using System.Runtime.InteropServices;

namespace WalRus.Cli.Service;

/// <summary>
/// Gives back memory that only the start or a burst of work needed: garbage, the allocator's free pages, and pages of
/// code, which the system maps again from the file when they are run again. It maps sixteen for each one run, so without
/// this nearly all of the executable counts as resident in time. Costs a millisecond of later faults.
/// </summary>
internal static partial class IdleMemory
{
    /// <summary>How often code that ran once is dropped while there is work.</summary>
    public static readonly TimeSpan DropInterval = TimeSpan.FromMilliseconds(250);

    private const int DontNeed = 4;

    private static readonly nint PageBytes = Environment.SystemPageSize;

    private static readonly List<(nint Start, nint Length)> Code = [];

    private static Timer? keeping;

    /// <summary>Drops what was run and is not again, now and every quarter of a second, until the process ends.</summary>
    public static void KeepLow()
    {
        DropStart();
        keeping ??= new Timer(static _ => DropCode(), null, DropInterval, DropInterval);
    }

    /// <summary>Everything that can be given back; for when there is nothing to do.</summary>
    public static void GiveBack()
    {
        GCSettings.LargeObjectHeapCompactionMode = GCLargeObjectHeapCompactionMode.CompactOnce;
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        try
        {
            _ = TrimHeap(0);
        }
        catch (Exception failure) when (failure is EntryPointNotFoundException or DllNotFoundException)
        {
            // Another libc: the memory stays.
        }

        DropStart();
    }

    /// <summary>Pages of code that only the start needed: it would else be part of the peak of a command that then needs little.</summary>
    public static void DropStart()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        try
        {
            Code.Clear();
            Code.AddRange(FindCode());
            DropCode();
        }
        catch (Exception failure) when (failure is EntryPointNotFoundException or DllNotFoundException or IOException or UnauthorizedAccessException)
        {
            // Another libc, or no /proc: the memory stays.
        }
    }

    /// <summary>Unmaps the code that was found last; what is in use comes back by itself, also while it runs.</summary>
    public static void DropCode()
    {
        foreach (var (start, length) in Code)
        {
            _ = Advise(start, length, DontNeed);
        }
    }

    /// <summary>
    /// What is mapped from the executable for reading alone, which is there until the process ends (a library's place may be
    /// given to something else).
    /// </summary>
    private static List<(nint Start, nint Length)> FindCode()
    {
        List<(nint Start, nint Length)> found = [];
        using var pages = new FileStream("/proc/self/pagemap", FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
        var file = $" {Environment.ProcessPath}";
        foreach (var line in File.ReadLines("/proc/self/maps"))
        {
            // "00400000-00c1d000 r-xp 00000000 fe:01 123 /path"; start.c has made many of each.
            var space = line.IndexOf(' ', StringComparison.Ordinal);
            var dash = line.IndexOf('-', StringComparison.Ordinal);
            var isOurs = line.EndsWith(file, StringComparison.Ordinal);
            if (isOurs && line.AsSpan(space) is [' ', 'r', '-', _, 'p', ..]
                && TryAddress(line.AsSpan(0, dash), out var start) && TryAddress(line.AsSpan()[(dash + 1)..space], out var end))
            {
                AddUnwritten(found, pages, start, end);
            }
            else if (found.Count > 0)
            {
                break;
            }
        }

        return found;
    }

    /// <summary>
    /// All but the pages that were written before they were protected (the runtime's cookie against overflows, relocated
    /// tables), which are nowhere else. From the system's 64 bits a page: 63 and 62 it is there, 61 it is the file's.
    /// </summary>
    private static void AddUnwritten(List<(nint Start, nint Length)> found, FileStream pages, nint start, nint end)
    {
        Span<ulong> states = stackalloc ulong[64];
        for (var at = start; at < end; at += states.Length * PageBytes)
        {
            var some = states[..(int)Math.Min(states.Length, (end - at) / PageBytes)];
            pages.Position = at / PageBytes * sizeof(ulong);
            pages.ReadExactly(MemoryMarshal.AsBytes(some));
            for (var i = 0; i < some.Length; i++)
            {
                var page = at + (i * PageBytes);
                if (some[i] >> 62 != 0 && (some[i] >> 61 & 1) == 0)
                {
                    continue;
                }

                if (found is [.., var last] && last.Start + last.Length == page)
                {
                    found[^1] = (last.Start, last.Length + PageBytes);
                }
                else
                {
                    found.Add((page, PageBytes));
                }
            }
        }
    }

    private static bool TryAddress(ReadOnlySpan<char> text, out nint address) =>
        nint.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out address);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nint start, nint length, int advice);

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    private static partial int TrimHeap(nuint keep);
}
