using System.Diagnostics.Metrics;

namespace WalRus.Daemon;

/// <summary>
/// The daemon's metrics for whoever listens in the process (OpenTelemetry): the meter "WalRus.Daemon". Costs nothing while
/// nobody does. Names are Prometheus' without the prefix: "archived_files_total".
/// </summary>
public sealed class DaemonMeter : IDisposable
{
    public const string Name = "WalRus.Daemon";

    /// <summary>A collector asks for one metric after the other: they are of one moment.</summary>
    private static readonly TimeSpan FreshFor = TimeSpan.FromSeconds(1);

    private readonly object gate = new();
    private readonly Meter meter = new(Name);
    private readonly Func<DaemonStatus> read;
    private readonly TimeProvider time;
    private DaemonStatus? last;
    private long lastRead;

    /// <param name="read">Gives the status.</param>
    /// <param name="time">The clock.</param>
    public DaemonMeter(Func<DaemonStatus> read, TimeProvider time)
    {
        this.read = read;
        this.time = time;
        foreach (var metric in DaemonMetric.All)
        {
            var name = metric.Name["walrus_daemon_".Length..];
            if (metric.IsCounter)
            {
                meter.CreateObservableCounter(name, () => Measure(metric), description: metric.Meaning);
            }
            else
            {
                meter.CreateObservableGauge(name, () => Measure(metric), description: metric.Meaning);
            }
        }
    }

    public void Dispose() => meter.Dispose();

    private IEnumerable<Measurement<double>> Measure(DaemonMetric metric) =>
        metric.Read(Status()) is { } value ? [new Measurement<double>(value)] : [];

    private DaemonStatus Status()
    {
        lock (gate)
        {
            if (last is null || time.GetElapsedTime(lastRead) > FreshFor)
            {
                last = read();
                lastRead = time.GetTimestamp();
            }

            return last;
        }
    }
}
