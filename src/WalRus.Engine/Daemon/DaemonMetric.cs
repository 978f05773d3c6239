using System.Globalization;
using System.Text;

namespace WalRus.Daemon;

/// <summary>One figure of the status as a metric; the name is Prometheus', OpenTelemetry's follows from it.</summary>
/// <param name="Name">snake_case, ending in its unit and, for a counter, in _total.</param>
/// <param name="Meaning">One line.</param>
/// <param name="IsCounter">It only grows while the daemon runs.</param>
/// <param name="Read">Takes it from a status; null when there is none (yet).</param>
public sealed record DaemonMetric(string Name, string Meaning, bool IsCounter, Func<DaemonStatus, double?> Read)
{
    /// <summary>Every metric of the daemon.</summary>
    public static IReadOnlyList<DaemonMetric> All { get; } =
    [
        Counter("archived_files_total", "Files PostgreSQL was told are archived", status => status.Archived),
        Counter("uploaded_files_total", "Files stored, those ahead of PostgreSQL included", status => status.Uploaded),
        Counter("uploaded_bytes_total", "Bytes of the files stored", status => status.UploadedBytes),
        Counter("stored_bytes_total", "Bytes they take in the store", status => status.StoredBytes),
        Counter("fetched_files_total", "Files brought back", status => status.Fetched),
        Counter("failed_requests_total", "Requests answered with an error", status => status.Failed),
        Gauge("backlog_files", "Files that wait in archive_status", status => status.Backlog),
        Gauge("ahead_files", "Files stored that PostgreSQL has not asked for yet", status => status.Ahead),
        Gauge("lanes_busy", "Upload lanes at work", status => status.LanesBusy),
        Gauge("lanes", "Upload lanes", status => status.LanesTotal),
        Gauge("connections", "Open connections", status => status.Connections),
        Gauge("resident_memory_bytes", "Resident memory", status => status.RssBytes),
        Gauge("resident_memory_peak_bytes", "The most resident memory so far", status => status.RssPeakBytes),
        Gauge("virtual_memory_peak_bytes", "The most address space so far", status => status.VmPeakBytes),
        Gauge("buffers_rented_bytes", "Data buffers in use", status => status.BuffersRentedBytes),
        Gauge("buffers_budget_bytes", "Data buffers allowed", status => status.BufferBudgetBytes),
        Gauge("uptime_seconds", "Seconds since the start", status => status.UptimeSeconds),
        Gauge("last_archived_timestamp_seconds", "When PostgreSQL was last told that a file is archived",
            status => status.LastArchivedTime?.ToUnixTimeSeconds()),
        Gauge("last_error_timestamp_seconds", "When a request last failed", status => status.LastErrorTime?.ToUnixTimeSeconds()),
    ];

    /// <summary>The metrics of a status in Prometheus' text format, version 0.0.4.</summary>
    public static string ToPrometheus(DaemonStatus status)
    {
        var text = new StringBuilder(2048);
        foreach (var metric in All)
        {
            if (metric.Read(status) is { } value)
            {
                text.Append(CultureInfo.InvariantCulture, $"# HELP {metric.Name} {metric.Meaning}\n")
                    .Append(CultureInfo.InvariantCulture, $"# TYPE {metric.Name} {(metric.IsCounter ? "counter" : "gauge")}\n")
                    .Append(CultureInfo.InvariantCulture, $"{metric.Name} {value:R}\n");
            }
        }

        return text.ToString();
    }

    private static DaemonMetric Counter(string name, string meaning, Func<DaemonStatus, double?> read) =>
        new("walrus_daemon_" + name, meaning, true, read);

    private static DaemonMetric Gauge(string name, string meaning, Func<DaemonStatus, double?> read) =>
        new("walrus_daemon_" + name, meaning, false, read);
}
