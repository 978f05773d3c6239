using System.Text;
using WalRus.Configuration;

namespace WalRus.Tests.Configuration;

public sealed class ConfigurationFileTests
{
    private const string Json = """
        {
          "WALG_FILE_PREFIX": "/backup",
          "WALG_UPLOAD_CONCURRENCY": 4,
          "WALG_PREVENT_WAL_OVERWRITE": true,
          "AWS_REGION": null,
          "WALG_LIBSODIUM_KEY": "line\u0020with \"quotes\" and \\"
        }
        """;

    private const string Yaml = """
        # comment
        WALG_FILE_PREFIX: /backup
        WALG_UPLOAD_CONCURRENCY: 4
        WALG_PREVENT_WAL_OVERWRITE: true   # trailing comment
        AWS_REGION: ~
        WALG_LIBSODIUM_KEY: "line with \"quotes\" and \\"
        """;

    private const string Dotenv = """
        # comment
        WALG_FILE_PREFIX=/backup
        export WALG_UPLOAD_CONCURRENCY = 4
        WALG_PREVENT_WAL_OVERWRITE='true'  # trailing comment after quotes
        AWS_REGION=
        WALG_LIBSODIUM_KEY="line with \"quotes\" and \\"
        """;

    [Theory]
    [InlineData("/c.json", Json)]
    [InlineData("/c.yaml", Yaml)]
    [InlineData("/c.yml", Yaml)]
    [InlineData("/c.env", Dotenv)]
    [InlineData("/c", Dotenv)]
    [InlineData("/walg.conf", Dotenv)]
    public void All_three_formats_say_the_same(string path, string content)
    {
        foreach (var text in new[] { content, content.Replace("\n", "\r\n", StringComparison.Ordinal), "\ufeff" + content })
        {
            var settings = Sources.FromFile(path, text);
            Assert.Equal("/backup", settings.Text(SettingCatalog.FilePrefix));
            Assert.Equal(4, settings.Integer(SettingCatalog.UploadConcurrency));
            Assert.True(settings.Boolean(SettingCatalog.PreventWalOverwrite));
            Assert.False(settings.IsSet(SettingCatalog.AwsRegion));
            Assert.Equal("line with \"quotes\" and \\", settings.Text(SettingCatalog.LibsodiumKey));
        }
    }

    [Theory]
    [InlineData("WALG_PGP_KEY", "-----BEGIN\n\nabc\n-----END")]
    public void A_value_of_several_lines_keeps_them(string name, string value)
    {
        var block = string.Join('\n', value.Split('\n').Select(line => "  " + line));
        Assert.Equal(value, Sources.FromFile("/c.yaml", $"{name}: |\n{block}\n").Text(SettingCatalog.PgpKey));
        Assert.Equal(value, Sources.FromFile("/c.json", $"{{\"{name}\":\"{value.Replace("\n", "\\n", StringComparison.Ordinal)}\"}}").Text(SettingCatalog.PgpKey));
        Assert.Equal(value, Sources.FromFile("/c.env", $"{name}=\"{value.Replace("\n", "\\n", StringComparison.Ordinal)}\"").Text(SettingCatalog.PgpKey));
    }

    [Theory]
    [InlineData("/c.json", "")]
    [InlineData("/c.json", "[]")]
    [InlineData("/c.json", "{\"A\":1,\"a\":2}")]
    [InlineData("/c.json", "{\"A\":1} x")]
    [InlineData("/c.json", "{\"A\":1,}")]
    [InlineData("/c.json", "{\"A\":\"\\ud800\"}")]
    [InlineData("/c.yaml", "- a")]
    [InlineData("/c.yaml", "just text")]
    [InlineData("/c.yaml", "A: 1\nA: 2")]
    [InlineData("/c.yaml", "A: 1\n---\nB: 2")]
    [InlineData("/c.yaml", "A: &x [1]\nB: *x")]
    [InlineData("/c.yaml", "A: [1")]
    [InlineData("/c.yaml", "A: \"open")]
    [InlineData("/c.env", "A")]
    [InlineData("/c.env", "=1")]
    [InlineData("/c.env", "A B=1")]
    [InlineData("/c.env", "A='open")]
    [InlineData("/c.env", "A=\"open")]
    [InlineData("/c.env", "A=\"closed\" text")]
    [InlineData("/c.env", "A=value # comment or not")]
    [InlineData("/c.toml", "A=1")]
    [InlineData("/c.hcl", "A=1")]
    [InlineData("/c.ini", "A=1")]
    [InlineData("/c.properties", "A=1")]
    public void A_file_that_cannot_be_read_without_doubt_is_an_error(string path, string content)
    {
        var failure = Assert.Throws<WalRusException>(() => ConfigurationFile.Parse(path, Encoding.UTF8.GetBytes(content)));
        Assert.Equal(ErrorCode.ConfigurationFileInvalid, failure.Code);
        Assert.Contains(path, failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/c.yaml", "")]
    [InlineData("/c.yaml", "# nothing")]
    [InlineData("/c.yaml", "~")]
    [InlineData("/c.json", "{}")]
    [InlineData("/c.env", "\n\n# nothing\n")]
    public void A_file_without_settings_is_fine(string path, string content) =>
        Assert.Empty(ConfigurationFile.Parse(path, Encoding.UTF8.GetBytes(content)).Entries);

    [Theory]
    [InlineData("/c.json", Json)]
    [InlineData("/c.yaml", Yaml)]
    [InlineData("/c.env", Dotenv)]
    public void Every_cut_and_every_flipped_byte_gives_settings_or_a_clean_error(string path, string content)
    {
        Damage.TruncateAndFlipEveryByte(
            Encoding.UTF8.GetBytes(content), damaged => Assert.NotNull(ConfigurationFile.Parse(path, damaged)), 0x01, 0x80);
    }

    [Fact]
    public void Unknown_names_are_told_and_known_ones_in_any_case_are_not()
    {
        var settings = Sources.FromFile("/c.json", """{"walg_s3_prefix":"s3://b/p","WALG_NONSENSE":"1","Pghost":"h"}""");
        Assert.Equal(["WALG_NONSENSE"], settings.UnknownNames);
        Assert.Equal("h", settings.Text(SettingCatalog.PgHost));
    }
}
