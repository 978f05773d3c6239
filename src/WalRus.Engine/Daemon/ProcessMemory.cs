using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace WalRus.Daemon;

/// <summary>This process' memory, as the system counts it.</summary>
internal readonly record struct ProcessMemory(long RssBytes, long RssPeakBytes, long VmPeakBytes)
{
    public static ProcessMemory Read()
    {
        if (OperatingSystem.IsLinux())
        {
            return OfStatus(File.ReadAllText("/proc/self/status", Encoding.ASCII));
        }

        using var own = Process.GetCurrentProcess();
        return new ProcessMemory(own.WorkingSet64, own.PeakWorkingSet64, own.PeakVirtualMemorySize64);
    }

    /// <summary>Reads Linux' /proc/PID/status, whose lines are "VmHWM:	    8132 kB"; what it does not say is 0.</summary>
    internal static ProcessMemory OfStatus(string status) => new(
        Kilobytes(status, "\nVmRSS:"), Kilobytes(status, "\nVmHWM:"), Kilobytes(status, "\nVmPeak:"));

    private static long Kilobytes(string status, string label)
    {
        var start = status.IndexOf(label, StringComparison.Ordinal);
        if (start < 0)
        {
            return 0;
        }

        start += label.Length;
        var end = status.IndexOf(" kB", start, StringComparison.Ordinal);
        return end > 0 && long.TryParse(
            status.AsSpan(start, end - start).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var kilobytes)
            ? kilobytes * 1024 : 0;
    }
}
