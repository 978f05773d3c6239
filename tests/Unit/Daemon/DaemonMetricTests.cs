using System.Diagnostics.Metrics;
using System.Net;
using WalRus.Daemon;

namespace WalRus.Tests.Daemon;

public sealed class DaemonMetricTests
{
    private static readonly DaemonStatus Status = new()
    {
        Version = "1.2+3",
        Archived = 7,
        Backlog = 3,
        RssBytes = 9_000_000,
        Started = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero),
        LastError = "\"quoted\" <é>",
        LastArchivedTime = DateTimeOffset.UnixEpoch.AddSeconds(1_700_000_000),
    };

    [Fact]
    public void A_status_comes_back_from_its_JSON()
    {
        var json = Status.ToJson();
        Assert.Equal(Status, DaemonStatus.Parse(json));
        Assert.Contains("\"rss_bytes\":9000000", json, StringComparison.Ordinal);
        Assert.Contains("\"version\":\"1.2+3\"", json, StringComparison.Ordinal);
        Assert.Equal(Status, DaemonStatus.Parse(DaemonStatus.Indent(json)));
    }

    [Fact]
    public void A_status_that_is_cut_or_something_else_is_refused()
    {
        var json = Status.ToJson();
        for (var length = 0; length < json.Length; length++)
        {
            Assert.Equal(
                ErrorCode.DaemonProtocolViolation, Assert.Throws<WalRusException>(() => DaemonStatus.Parse(json[..length])).Code);
        }

        Assert.Throws<WalRusException>(() => DaemonStatus.Parse("null"));
        Assert.Equal(7, DaemonStatus.Parse("{\"archived\":7,\"of_a_newer_daemon\":[1]}").Archived);
    }

    [Fact]
    public void The_Prometheus_text_has_help_type_and_value_of_each_metric()
    {
        var lines = DaemonMetric.ToPrometheus(Status).Split('\n');
        Assert.Contains("# TYPE walrus_daemon_archived_files_total counter", lines);
        Assert.Contains("walrus_daemon_archived_files_total 7", lines);
        Assert.Contains("walrus_daemon_backlog_files 3", lines);
        Assert.Contains("walrus_daemon_last_archived_timestamp_seconds 1700000000", lines);
        Assert.DoesNotContain(lines, line => line.Contains("last_error", StringComparison.Ordinal));
        Assert.All(DaemonMetric.All, metric => Assert.Matches("^walrus_daemon_[a-z_]+$", metric.Name));
        Assert.All(DaemonMetric.All, metric => Assert.Equal(metric.IsCounter, metric.Name.EndsWith("_total", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task The_listener_answers_on_loopback_and_nowhere_else()
    {
        await using var listener = new MetricsListener(
            new IPEndPoint(IPAddress.Loopback, 0), () => DaemonMetric.ToPrometheus(Status), NullEventLog.Instance);
        using var client = new HttpClient { BaseAddress = new Uri($"http://{listener.Address}") };
        var answer = await client.GetAsync(new Uri("/metrics", UriKind.Relative), TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("text/plain", answer.Content.Headers.ContentType!.MediaType);
        Assert.Equal(DaemonMetric.ToPrometheus(Status), await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        var other = await client.GetAsync(new Uri("/", UriKind.Relative), TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.NotFound, other.StatusCode);

        foreach (var address in new[] { "0.0.0.0", "::", "192.0.2.1" })
        {
            var refused = Assert.Throws<WalRusException>(() => new MetricsListener(
                new IPEndPoint(IPAddress.Parse(address), 0), () => "", NullEventLog.Instance));
            Assert.Equal(ErrorCode.SettingInvalid, refused.Code);
        }
    }

    [Fact]
    public async Task The_file_is_whole_whenever_it_is_read()
    {
        using var folder = new TemporaryFolder();
        await using (new MetricsFile(
            folder["walrus.prom"], TimeSpan.FromMilliseconds(10), () => DaemonMetric.ToPrometheus(Status), TimeProvider.System, NullEventLog.Instance))
        {
            await UploaderFixture.UntilAsync(() => File.Exists(folder["walrus.prom"]));
            for (var i = 0; i < 20; i++)
            {
                Assert.Equal(
                    DaemonMetric.ToPrometheus(Status),
                    await File.ReadAllTextAsync(folder["walrus.prom"], TestContext.Current.CancellationToken));
            }
        }
    }

    [Fact]
    public void A_meter_listener_sees_the_same_figures()
    {
        using var meter = new DaemonMeter(() => Status, TimeProvider.System);
        var seen = new Dictionary<string, double>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Meter.Name == DaemonMeter.Name)
            {
                self.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<double>((instrument, value, _, _) => seen[instrument.Name] = value);
        listener.Start();
        listener.RecordObservableInstruments();
        Assert.Equal(7, seen["archived_files_total"]);
        Assert.Equal(3, seen["backlog_files"]);
        Assert.False(seen.ContainsKey("last_error_timestamp_seconds"));
    }

    [Fact]
    public void Memory_is_read_from_proc()
    {
        Assert.Equal(
            new ProcessMemory(8192, 12288, 1048576),
            ProcessMemory.OfStatus("Name:\tx\nVmPeak:\t    1024 kB\nVmHWM:\t      12 kB\nVmRSS:\t       8 kB\n"));
        Assert.Equal(default, ProcessMemory.OfStatus("Name:\tx\n"));
        Assert.True(ProcessMemory.Read().RssBytes > 1 << 20);
    }

    [Fact]
    public void The_last_minute_is_the_last_minute()
    {
        var time = new ManualTime();
        var figures = new DaemonFigures(time);
        figures.Uploaded(100, 50);
        Assert.Equal((1, 100L), (figures.Read().UploadedLastMinute, figures.Read().BytesLastMinute));
        time.Advance(TimeSpan.FromSeconds(59));
        figures.Uploaded(10, 5);
        Assert.Equal((2, 110L), (figures.Read().UploadedLastMinute, figures.Read().BytesLastMinute));
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal((1, 10L), (figures.Read().UploadedLastMinute, figures.Read().BytesLastMinute));
        time.Advance(TimeSpan.FromHours(3));
        Assert.Equal((0, 0L), (figures.Read().UploadedLastMinute, figures.Read().BytesLastMinute));
        Assert.Equal((2, 110L, 55L), (figures.Read().Uploaded, figures.Read().UploadedBytes, figures.Read().StoredBytes));
    }
}
