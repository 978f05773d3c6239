using System.Text;
using WalRus.Cli.Terminal;
using WalRus.WalG;

namespace WalRus.Tests.Cli;

public sealed class OutputTests
{
    [Fact]
    public void Numbers_of_a_boxed_table_are_aligned_to_the_right()
    {
        var output = new StringWriter();
        TextTable.WriteBoxed(
            output, [["#", "Name"], .. Enumerable.Range(0, 11).Select(i => (string[])[$"{i}", "a"])], column => column == 0);
        var lines = output.ToString().Split('\n');
        Assert.Equal("+----+------+", lines[0]);
        Assert.Equal("|  # | NAME |", lines[1]);
        Assert.Equal("|  0 | a    |", lines[3]);
        Assert.Equal("| 10 | a    |", lines[13]);
    }

    [Fact]
    public void Columns_count_characters_and_the_last_is_not_padded()
    {
        var output = new StringWriter();
        TextTable.WritePlain(output, [["a", "b"], ["\u00fc\U0001f418", "cc"]]);
        Assert.Equal("a  b\n\u00fc\U0001f418 cc\n", output.ToString());
    }

    [Fact]
    public void No_backups_are_an_empty_list_in_json_and_nothing_else()
    {
        var output = new StringWriter();
        BackupTable.WritePlain(output, [], true);
        BackupTable.WriteBoxed(output, [], true);
        Assert.Empty(output.ToString());
        BackupTable.WriteJson(output, [], true);
        Assert.Equal("[]\n", output.ToString());
    }

    [Fact]
    public void Json_escapes_as_go_does()
    {
        var output = new StringWriter();
        JsonOutput.Write(output, false, writer => writer.WriteStringValue("<a&b>\u00e4+'"));
        Assert.Equal("\"\\u003ca\\u0026b\\u003e\u00e4+'\"\n", output.ToString());
    }

    [Fact]
    public void A_log_line_is_wal_g_s()
    {
        var target = new MemoryStream();
        var time = new FixedTime(new DateTimeOffset(2024, 5, 1, 10, 0, 0, TimeSpan.Zero).AddTicks(1234567));
        using (var log = new ConsoleLog(target, EventLevel.Info, false, time))
        {
            log.Info("Any", "text");
            log.Write(new LogEvent(EventLevel.Debug, "Any", "not shown"));
            log.Error(ErrorCode.FileFailed, "broken", "mend it");
        }

        Assert.Equal(
            "INFO: 2024/05/01 10:00:00.123456 text\nERROR: 2024/05/01 10:00:00.123456 broken\nHINT: 2024/05/01 10:00:00.123456 mend it\n",
            Encoding.UTF8.GetString(target.ToArray()));
    }

    [Theory]
    [InlineData(0L, null, 0, "Working: 0 B")]
    [InlineData(1536L, null, 1, "Working: 1.5 KiB, 1.5 KiB/s")]
    [InlineData(1L << 30, 2L << 30, 10, "Working: 1.0 GiB of 2.0 GiB (50 %), 102.4 MiB/s, 0:00:10 left")]
    [InlineData(3L << 30, 2L << 30, 10, "Working: 3.0 GiB of 2.0 GiB (100 %), 307.2 MiB/s")]
    public void Progress_shows_bytes_share_speed_and_time_left(long done, long? total, int seconds, string expected)
    {
        Assert.Equal(expected, ProgressLine.Text(new TransferProgress("Working", null, done, total), TimeSpan.FromSeconds(seconds)));
    }

    [Fact]
    public void Times_are_written_as_go_writes_them()
    {
        var time = new DateTimeOffset(2026, 11, 2, 23, 9, 10, TimeSpan.FromHours(2));
        Assert.Equal("2026-11-02T21:09:10Z", BackupTable.Rfc3339(time));
        Assert.Equal("Monday, 02-Nov-26 21:09:10 UTC", BackupTable.Rfc850(time));
        Assert.Equal("-", BackupTable.Rfc3339(null));
        var line = new BackupLine(BackupName.Parse("base_000000010000000000000003"), time, "default", null);
        var output = new StringWriter();
        BackupTable.WriteJson(output, [line], false);
        Assert.Equal(
            "[{\"backup_name\":\"base_000000010000000000000003\",\"time\":\"2026-11-02T21:09:10Z\","
            + "\"wal_file_name\":\"000000010000000000000003\",\"storage_name\":\"default\"}]\n",
            output.ToString());
    }

    private sealed class FixedTime(DateTimeOffset now) : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => now;
    }
}
