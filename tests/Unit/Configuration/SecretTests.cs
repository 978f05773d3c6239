using WalRus.Configuration;

namespace WalRus.Tests.Configuration;

public sealed class SecretTests
{
    private const string Secret = "hunter2-hunter2-hunter2-hunter2-";

    [Fact]
    public void Every_setting_that_sounds_like_a_secret_is_one()
    {
        string[] sounds = ["PASSWORD", "PASSPHRASE", "SECRET", "TOKEN", "SSE_C"];
        string[] harmless = ["S3_USE_YC_SESSION_TOKEN", "AWS_WEB_IDENTITY_TOKEN_FILE"];
        var open = SettingCatalog.All
            .Where(setting => sounds.Any(sound => setting.Name.Contains(sound, StringComparison.Ordinal)) && !setting.IsSecret)
            .Select(setting => setting.Name)
            .Except(harmless);
        Assert.Empty(open);
        Assert.True(SettingCatalog.LibsodiumKey.IsSecret);
        Assert.True(SettingCatalog.PgpKey.IsSecret);
    }

    [Fact]
    public void No_secret_is_in_any_text_that_settings_give()
    {
        foreach (var setting in SettingCatalog.All.Where(setting => setting.IsSecret))
        {
            foreach (var name in setting.LookupNames)
            {
                foreach (var settings in new[]
                {
                    Sources.FromEnvironment((name, Secret), ("WALG_FILE_PREFIX", "/a")),
                    Sources.Settings(given: [(name, Secret), ("WALG_FILE_PREFIX", "/a")]),
                    Sources.FromFile("/c.yaml", $"{name}: {Secret}\nWALG_FILE_PREFIX: /a"),
                })
                {
                    Assert.All(TextsOf(settings), text => Assert.DoesNotContain(Secret, text, StringComparison.Ordinal));
                    Assert.Contains(SettingValue.Hidden, settings.Find(setting).ToString(), StringComparison.Ordinal);
                }
            }
        }
    }

    [Fact]
    public void A_password_within_an_address_is_masked()
    {
        var value = Sources.FromEnvironment(("AWS_ENDPOINT", $"https://me:{Secret}@store.example.com:9000")).Find(SettingCatalog.AwsEndpoint);
        Assert.Equal("https://--HIDDEN--@store.example.com:9000", value.Shown);
    }

    [Theory]
    [InlineData("/c.json", "{\"WALG_LIBSODIUM_KEY\": \"" + Secret + "\" \"")]
    [InlineData("/c.json", "{\"WALG_LIBSODIUM_KEY\": " + Secret + "}")]
    [InlineData("/c.yaml", "WALG_LIBSODIUM_KEY: \"" + Secret)]
    [InlineData("/c.yaml", "WALG_LIBSODIUM_KEY: *" + Secret)]
    [InlineData("/c.yaml", "a: b: " + Secret)]
    [InlineData("/c.env", "WALG_LIBSODIUM_KEY='" + Secret)]
    [InlineData("/c.env", "WALG_LIBSODIUM_KEY " + Secret)]
    [InlineData("/c.env", "WALG_LIBSODIUM_KEY=\"" + Secret + "\"" + Secret)]
    public void A_file_that_does_not_parse_is_not_quoted(string path, string content)
    {
        var failure = Assert.Throws<WalRusException>(() => Sources.FromFile(path, content));
        Assert.DoesNotContain("hunter2", failure.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_connection_record_does_not_print_its_password()
    {
        var settings = Sources.FromEnvironment(("PGPASSWORD", Secret), ("PGUSER", "me"), ("PGHOST", "h"));
        var record = PostgresSettings.Read(settings, null);
        Assert.Equal(Secret, record.Password);
        Assert.Equal("me@h:5432/me", record.ToString());
    }

    private static IEnumerable<string> TextsOf(WalRusSettings settings)
    {
        foreach (var line in settings.Review())
        {
            yield return line.ToString();
            yield return line.Value.ToString();
            yield return line.Value.Shown ?? "";
            yield return line.Problem?.ToString() ?? "";
        }

        yield return settings.ToString() ?? "";
        foreach (var open in new Action[]
        {
            () => WalRusEngine.Open(settings, NullEventLog.Instance),
            () => settings.RequireSupported(_ => true),
        })
        {
            Exception? failure = null;
            try
            {
                open();
            }
            catch (WalRusException known)
            {
                failure = known;
            }

            yield return failure?.ToString() ?? "";
        }
    }
}
