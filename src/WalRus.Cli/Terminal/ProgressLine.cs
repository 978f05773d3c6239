using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace WalRus.Cli.Terminal;

/// <summary>One line on a terminal: what, bytes, share, speed, time left. Rewritten a few times a second, cleared at the end.</summary>
internal sealed class ProgressLine : IProgress<TransferProgress>, IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    private readonly object gate = new();
    private readonly Stream terminal;
    private readonly int width;
    private readonly long started = Stopwatch.GetTimestamp();
    private long lastShown;
    private bool isShown;

    private ProgressLine(Stream terminal, int width)
    {
        this.terminal = terminal;
        this.width = width;
    }

    /// <summary>Null when standard error is not a terminal.</summary>
    public static ProgressLine? OnTerminal(ConsoleLog log)
    {
        if (Console.IsErrorRedirected)
        {
            return null;
        }

        var line = new ProgressLine(Console.OpenStandardError(), Console.WindowWidth);
        log.BeforeLine = line.Clear;
        return line;
    }

    public void Report(TransferProgress value)
    {
        lock (gate)
        {
            if (lastShown != 0 && Stopwatch.GetElapsedTime(lastShown) < Interval)
            {
                return;
            }

            lastShown = Stopwatch.GetTimestamp();
            var text = Text(value, Stopwatch.GetElapsedTime(started));
            Show($"\r{(text.Length >= width ? text[..Math.Max(0, width - 1)] : text)}\x1b[K");
            isShown = true;
        }
    }

    public void Clear()
    {
        lock (gate)
        {
            if (isShown)
            {
                Show("\r\x1b[K");
                isShown = false;
            }
        }
    }

    public void Dispose()
    {
        Clear();
        terminal.Dispose();
    }

    internal static string Text(TransferProgress progress, TimeSpan elapsed)
    {
        var text = new StringBuilder(progress.Activity).Append(": ").Append(ByteText(progress.BytesDone));
        var perSecond = elapsed.TotalSeconds < 0.5 ? 0 : progress.BytesDone / elapsed.TotalSeconds;
        if (progress.BytesTotal is { } total and > 0)
        {
            var share = Math.Min(100, 100.0 * progress.BytesDone / total);
            text.Append(CultureInfo.InvariantCulture, $" of {ByteText(total)} ({share:0} %)");
        }

        if (perSecond > 0)
        {
            text.Append(CultureInfo.InvariantCulture, $", {ByteText((long)perSecond)}/s");
            if (progress.BytesTotal is { } whole && whole > progress.BytesDone)
            {
                var left = TimeSpan.FromSeconds(Math.Min((whole - progress.BytesDone) / perSecond, 359_999));
                text.Append(CultureInfo.InvariantCulture, $", {(int)left.TotalHours}:{left.Minutes:00}:{left.Seconds:00} left");
            }
        }

        return progress.CurrentItem is null ? text.ToString() : text.Append(", ").Append(progress.CurrentItem).ToString();
    }

    private static string ByteText(long bytes)
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB"];
        double value = bytes;
        var unit = 0;
        for (; value >= 1024 && unit < units.Length - 1; unit++)
        {
            value /= 1024;
        }

        return value.ToString(unit == 0 ? "0" : "0.0", CultureInfo.InvariantCulture) + " " + units[unit];
    }

    private void Show(string text)
    {
        try
        {
            terminal.Write(Encoding.UTF8.GetBytes(text));
        }
        catch (IOException)
        {
            // A terminal that went away must not fail a backup.
        }
    }
}
