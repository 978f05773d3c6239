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
        catch (Exception failure) when (failure is EntryPointNotFoundException or DllNotFoundException or IOException)
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
    /// given to something else). A mapping of which any page was ever written (relocated tables) is left out: those pages
    /// are nowhere else.
    /// </summary>
    private static IEnumerable<(nint Start, nint Length)> FindCode()
    {
        var file = $" {Environment.ProcessPath}";
        var (start, end) = ((nint)0, (nint)0);
        foreach (var line in File.ReadLines("/proc/self/smaps"))
        {
            // "00400000-00c1d000 r-xp 00000000 fe:01 123 /path", then one line a figure.
            if (line.StartsWith("Anonymous:", StringComparison.Ordinal) && line.EndsWith(" 0 kB", StringComparison.Ordinal) && end > start)
            {
                yield return (start, end - start);
            }

            var space = line.IndexOf(' ', StringComparison.Ordinal);
            var dash = line.IndexOf('-', StringComparison.Ordinal);
            if (dash > 0 && dash < space)
            {
                var isCode = line.AsSpan(space) is [' ', 'r', '-', _, 'p', ..] && line.EndsWith(file, StringComparison.Ordinal);
                _ = TryAddress(line.AsSpan(0, dash), out start) & TryAddress(line.AsSpan()[(dash + 1)..space], out end);
                end = isCode ? end : start;
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
