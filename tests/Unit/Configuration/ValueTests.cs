using WalRus.Configuration;

namespace WalRus.Tests.Configuration;

public sealed class ValueTests
{
    [Theory]
    [InlineData("300ms", 300)]
    [InlineData("1h30m", 5_400_000)]
    [InlineData("1.5s", 1_500)]
    [InlineData("0", 0)]
    [InlineData("0s", 0)]
    [InlineData("2m0.5s", 120_500)]
    [InlineData("1000us", 1)]
    [InlineData("1000\u00b5s", 1)]
    [InlineData("1000000ns", 1)]
    [InlineData("+5s", 5_000)]
    public void Go_s_durations_are_read(string text, double milliseconds)
    {
        Assert.True(SettingText.TryDuration(text, out var value));
        Assert.Equal(milliseconds, value.TotalMilliseconds);
    }

    [Theory]
    [InlineData("")]
    [InlineData("5")]
    [InlineData("s")]
    [InlineData("5x")]
    [InlineData("5 s")]
    [InlineData(".s")]
    [InlineData("1..5s")]
    [InlineData("-")]
    [InlineData("1d")]
    [InlineData("9999999999999999h")]
    [InlineData("5S")]
    public void What_is_no_duration_is_refused(string text) => Assert.False(SettingText.TryDuration(text, out _));

    [Theory]
    [InlineData("1048576", 1048576)]
    [InlineData("64MB", 64L << 20)]
    [InlineData("64 MiB", 64L << 20)]
    [InlineData("1g", 1L << 30)]
    [InlineData("0", 0)]
    [InlineData("7B", 7)]
    public void Bytes_are_read_with_and_without_unit(string text, long expected)
    {
        Assert.True(SettingText.TryBytes(text, out var value));
        Assert.Equal(expected, value);
    }

    [Theory]
    [InlineData("")]
    [InlineData("MB")]
    [InlineData("-1")]
    [InlineData("1.5MB")]
    [InlineData("9223372036854775807K")]
    [InlineData("99999999999999999999")]
    [InlineData("1 PiB")]
    public void What_is_no_number_of_bytes_is_refused(string text) => Assert.False(SettingText.TryBytes(text, out _));

    [Theory]
    [InlineData("1", true), InlineData("t", true), InlineData("TRUE", true), InlineData("True", true), InlineData("yes", true), InlineData("On", true)]
    [InlineData("0", false), InlineData("f", false), InlineData("FALSE", false), InlineData("no", false), InlineData("off", false)]
    public void Booleans_of_both_tools_are_read(string text, bool expected) =>
        Assert.Equal(expected, Sources.FromEnvironment(("WALG_PREVENT_WAL_OVERWRITE", text)).Boolean(SettingCatalog.PreventWalOverwrite));

    public static TheoryData<string, string, string> Malformed => new()
    {
        { "WALG_PREVENT_WAL_OVERWRITE", "maybe", "true or false" },
        { "WALG_UPLOAD_CONCURRENCY", "0", "a whole number from 1 to 1024" },
        { "WALG_UPLOAD_CONCURRENCY", "four", "a whole number" },
        { "WALG_DOWNLOAD_CONCURRENCY", "-3", "a whole number" },
        { "WALG_TAR_SIZE_THRESHOLD", "1.5GB", "a number of bytes" },
        { "WALRUS_BUFFER_BUDGET", "1KB", "a number of bytes from" },
        { "WALRUS_WAL_PUSH_TIMEOUT", "60", "a duration such as 30s" },
        { "WALRUS_WAL_PUSH_TIMEOUT", "-60s", "a duration" },
        { "WALG_COMPRESSION_METHOD", "lzo", "one of lz4, lzma, zstd" },
        { "WALG_SENTINEL_USER_DATA", "{", "a JSON value" },
        { "WALG_LOG_LEVEL", "verbose", "one of NORMAL" },
        { "PGSSLMODE", "yes", "one of disable" },
    };

    [Theory]
    [MemberData(nameof(Malformed))]
    public void A_malformed_value_is_told_with_name_value_source_and_what_is_expected(string name, string text, string expected)
    {
        foreach (var (settings, source) in new[]
        {
            (Sources.FromEnvironment((name, text)), $"environment {name}"),
            (Sources.Settings(given: [(name, text)]), $"flag {Setting.FlagOf(name)}"),
            (Sources.FromFile("/c.env", $"\n{name}='{text}'"), "/c.env:2"),
        })
        {
            var failure = settings.ProblemOf(SettingCatalog.Find(name)!);
            Assert.NotNull(failure);
            Assert.Equal(ErrorCode.SettingInvalid, failure.Code);
            Assert.Contains(name, failure.Message, StringComparison.Ordinal);
            Assert.Contains($"'{text}'", failure.Message, StringComparison.Ordinal);
            Assert.Contains(source, failure.Message, StringComparison.Ordinal);
            Assert.Contains(expected, failure.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_nested_value_where_one_text_belongs_is_an_error()
    {
        var settings = Sources.FromFile("/c.yaml", "AWS_REGION:\n  - a\n  - b\n");
        Assert.Equal(ErrorCode.SettingInvalid, Assert.Throws<WalRusException>(() => settings.Text(SettingCatalog.AwsRegion)).Code);
    }

    [Fact]
    public void User_data_may_be_nested_in_a_file()
    {
        const string expected = """{"a":[1,"x",true,null],"b":{"c":"d"}}""";
        var yaml = Sources.FromFile("/c.yaml", "WALG_SENTINEL_USER_DATA:\n  a: [1, x, true, ~]\n  b: {c: d}\n");
        var json = Sources.FromFile("/c.json", $"{{\"WALG_SENTINEL_USER_DATA\": {expected}}}");
        Assert.Equal(expected, yaml.Json(SettingCatalog.SentinelUserData)!.Value.GetRawText());
        Assert.Equal(expected, json.Json(SettingCatalog.SentinelUserData)!.Value.GetRawText());
    }
}
