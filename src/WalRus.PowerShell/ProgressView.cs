using System.Diagnostics;
using System.Management.Automation;

namespace WalRus.Cmdlets;

/// <summary>Shows a transfer as bytes, speed and time left.</summary>
internal sealed class ProgressView(string cmdletName)
{
    private readonly int activityId = cmdletName.GetHashCode(StringComparison.Ordinal) & 0xFFFF;
    private readonly Stopwatch watch = Stopwatch.StartNew();
    private string activity = "";

    public bool IsShown { get; private set; }

    public ProgressRecord Record(in TransferProgress value)
    {
        IsShown = true;
        if (value.Activity != activity)
        {
            // Each step has a speed of its own.
            activity = value.Activity;
            watch.Restart();
        }

        var speed = value.BytesDone / Math.Max(watch.Elapsed.TotalSeconds, 0.001);
        var record = new ProgressRecord(activityId, value.Activity, Status(value, speed))
        {
            CurrentOperation = value.CurrentItem,
        };
        if (value.BytesTotal is > 0 and var total)
        {
            record.PercentComplete = (int)Math.Clamp(value.BytesDone * 100 / total, 0, 100);
            record.SecondsRemaining = (int)Math.Min(int.MaxValue, Math.Max(0, total - value.BytesDone) / Math.Max(speed, 1));
        }

        return record;
    }

    public ProgressRecord Completed() => new(activityId, cmdletName, "Done") { RecordType = ProgressRecordType.Completed };

    private static string Status(in TransferProgress value, double speed) => value is { BytesDone: 0, BytesTotal: null }
        ? value.CurrentItem ?? "Working"
        : (value.BytesTotal is { } total ? $"{ByteText.Of(value.BytesDone)} of {ByteText.Of(total)}" : ByteText.Of(value.BytesDone))
        + $", {ByteText.Of((long)speed)}/s";
}
