using WalRus.WalG;

namespace WalRus.Tests.WalG;

public sealed class WalGTimeTests
{
    [Theory]
    [InlineData("0001-01-01T00:00:00Z")]
    [InlineData("2024-05-01T10:00:00.000001Z")]
    [InlineData("2024-05-01T10:00:09.5Z")]
    [InlineData("2024-05-01T13:00:00.123456789+03:00")]
    [InlineData("2024-02-29T23:59:59.999999999-11:30")]
    [InlineData("1969-12-31T23:59:59.9Z")]
    [InlineData("9999-12-31T23:59:59.999999999Z")]
    [InlineData("2024-05-01T13:00:00+23:59")]
    public void A_time_as_Go_writes_it_survives_to_the_nanosecond(string text)
    {
        Assert.True(WalGTime.TryParse(text, out var time));
        Assert.Equal(text, time.ToString());
    }

    [Theory]
    [InlineData("2026-11-22T21:17:02.334469900Z", "2026-11-22T21:17:02.3344699Z")]
    [InlineData("2026-11-22t21:17:02.000z", "2026-11-22T21:17:02Z")]
    [InlineData("2026-11-22T21:17:02,25+00:00", "2026-11-22T21:17:02.25Z")]
    [InlineData("2026-11-22T21:17:02.1234567899Z", "2026-11-22T21:17:02.123456789Z")]
    public void Other_spellings_are_read_and_written_as_Go_does(string text, string expected)
    {
        Assert.True(WalGTime.TryParse(text, out var time));
        Assert.Equal(expected, time.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("2024-05-01")]
    [InlineData("2024-05-01T10:00:00")]
    [InlineData("2024-05-01 10:00:00Z")]
    [InlineData("2024-13-01T10:00:00Z")]
    [InlineData("2023-02-29T10:00:00Z")]
    [InlineData("2024-05-01T24:00:00Z")]
    [InlineData("2024-05-01T10:00:60Z")]
    [InlineData("0000-05-01T10:00:00Z")]
    [InlineData("0001-01-01T00:00:00+01:00")]
    [InlineData("9999-12-31T23:59:59-01:00")]
    [InlineData("2024-05-01T10:00:00.Z")]
    [InlineData("2024-05-01T10:00:00+3:00")]
    [InlineData("2024-05-01T10:00:00+03:60")]
    [InlineData("2024-05-01T10:00:00Zz")]
    [InlineData("+024-05-01T10:00:00Z")]
    public void What_is_no_time_is_refused(string text) => Assert.False(WalGTime.TryParse(text, out _));

    [Theory]
    [InlineData("2024-05-01T10:00:00.000000001Z", "2024-05-01T10:00:00.000001Z")]
    [InlineData("2024-05-01T10:00:00.000001Z", "2024-05-01T10:00:00.000001Z")]
    [InlineData("2024-12-31T23:59:59.999999001Z", "2025-01-01T00:00:00Z")]
    public void Start_and_finish_times_are_rounded_up_to_whole_microseconds(string text, string expected)
    {
        Assert.True(WalGTime.TryParse(text, out var time));
        Assert.Equal(expected, time.RoundUpToMicroseconds().ToString());
    }

    [Fact]
    public void The_same_instant_in_another_zone_is_equal()
    {
        Assert.True(WalGTime.TryParse("2024-05-01T13:00:00.5+03:00", out var moscow));
        Assert.True(WalGTime.TryParse("2024-05-01T10:00:00.5Z", out var utc));
        Assert.Equal(utc, moscow);
        Assert.Equal(utc.GetHashCode(), moscow.GetHashCode());
        Assert.Equal(new DateTimeOffset(2024, 5, 1, 13, 0, 0, 500, TimeSpan.FromHours(3)), moscow.ToDateTimeOffset());
        Assert.Equal(TimeSpan.FromHours(3), moscow.ToDateTimeOffset().Offset);
        Assert.True(default(WalGTime).IsZero);
    }

    [Fact]
    public void Random_times_round_trip()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        for (var round = 0; round < 2000; round++)
        {
            var time = WalGTime.FromUnix(
                random.NextInt64(-62_135_596_800, 253_402_300_800), random.Next(1_000_000_000),
                TimeSpan.FromMinutes(random.Next(-1439, 1440)));
            Assert.True(WalGTime.TryParse(time.ToString(), out var read), $"seed {seed}: {time}");
            Assert.True(time == read && time.ToString() == read.ToString(), $"seed {seed}: {time} {read}");
            var net = time.ToDateTimeOffset();
            Assert.Equal(time.Nanoseconds / 100 * 100, WalGTime.FromDateTimeOffset(net).Nanoseconds);
            Assert.Equal(time.UnixSeconds, WalGTime.FromDateTimeOffset(net).UnixSeconds);
        }
    }
}
