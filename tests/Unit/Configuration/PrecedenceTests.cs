using WalRus.Configuration;

namespace WalRus.Tests.Configuration;

public sealed class PrecedenceTests
{
    private const string Yaml = "/etc/walg.yaml";

    public static TheoryData<string?, string?, string?, string, SettingOriginKind> Table => new()
    {
        // flag, environment, file, expected, from
        { "zstd", "brotli", "lzma", "zstd", SettingOriginKind.Flag },
        { null, "brotli", "lzma", "brotli", SettingOriginKind.Environment },
        { null, null, "lzma", "lzma", SettingOriginKind.File },
        { null, null, null, "lz4", SettingOriginKind.Default },
        { "", "brotli", "lzma", "brotli", SettingOriginKind.Environment },
        { "", "", "lzma", "lzma", SettingOriginKind.File },
        { "", "", "", "lz4", SettingOriginKind.Default },
        { null, "\n", null, "lz4", SettingOriginKind.Default },
        { null, "brotli\r\n", "lzma", "brotli", SettingOriginKind.Environment },
    };

    [Theory]
    [MemberData(nameof(Table))]
    public void A_flag_wins_over_the_environment_over_the_file_over_the_default(
        string? flag, string? environment, string? file, string expected, SettingOriginKind from)
    {
        const string name = "WALG_COMPRESSION_METHOD";
        var settings = Sources.Settings(
            flag is null ? null : [(name, flag)],
            environment is null ? null : [(name, environment)],
            [(Yaml, file is null ? "" : $"{name}: \"{file}\"")],
            Yaml);
        var value = settings.Find(SettingCatalog.CompressionMethod);
        Assert.Equal(expected, settings.Text(SettingCatalog.CompressionMethod));
        Assert.Equal(from, value.Origin.Kind);
    }

    [Fact]
    public void Each_origin_says_where_it_is()
    {
        var settings = Sources.Settings(
            [("WALG_COMPRESSION_METHOD", "zstd")],
            [("AWS_REGION", "eu-central-1")],
            [(Yaml, "# first line\nwalg_upload_concurrency: 4\n")],
            Yaml);
        Assert.Equal("flag --walg-compression-method", settings.Find(SettingCatalog.CompressionMethod).Origin.ToString());
        Assert.Equal("environment AWS_REGION", settings.Find(SettingCatalog.AwsRegion).Origin.ToString());
        Assert.Equal("/etc/walg.yaml:2", settings.Find(SettingCatalog.UploadConcurrency).Origin.ToString());
        Assert.Equal("default", settings.Find(SettingCatalog.DownloadConcurrency).Origin.ToString());
    }

    [Fact]
    public void A_bare_name_wins_over_its_prefixed_forms_whatever_the_source()
    {
        var settings = Sources.Settings(
            environment: [("WALG_S3_SSE", "AES256"), ("WALE_S3_SSE", "other")], files: [(Yaml, "S3_SSE: 'aws:kms'")], configFile: Yaml);
        Assert.Equal("aws:kms", settings.Text(SettingCatalog.S3Sse));
    }

    [Fact]
    public void Every_name_of_every_setting_is_found_in_every_source()
    {
        foreach (var setting in SettingCatalog.All.Where(setting => setting != SettingCatalog.ConfigPath))
        {
            foreach (var name in setting.LookupNames)
            {
                if (SettingCatalog.Find(name) != setting)
                {
                    // Two settings share a name (WALG_UPLOAD_CONCURRENCY): both read it.
                    Assert.Equal("WALG_UPLOAD_CONCURRENCY", name);
                }

                foreach (var settings in new[]
                {
                    Sources.Settings(given: [(name, "1")]),
                    Sources.Settings(environment: [(name, "1")]),
                    Sources.FromFile("/c.env", $"{name.ToLowerInvariant()}=1"),
                })
                {
                    var value = settings.Find(setting);
                    Assert.Equal("1", value.Text);
                    Assert.Equal(name, value.Origin.Name);
                }
            }
        }
    }

    [Fact]
    public void Every_setting_of_wal_g_has_its_storage_aliases()
    {
        string[] bare = ["S3_SSE", "S3_STORAGE_CLASS", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "S3_MAX_PART_SIZE", "AZURE_BUFFER_SIZE", "GCS_MAX_RETRIES", "UPLOAD_CONCURRENCY"];
        foreach (var name in bare)
        {
            Assert.Equal([name, $"WALG_{name}", $"WALE_{name}"], SettingCatalog.Find(name)!.LookupNames.Take(3));
        }

        foreach (var store in new[] { "FILE", "S3", "GS", "AZ", "OSS", "SWIFT", "SSH" })
        {
            Assert.Equal([$"WALG_{store}_PREFIX", $"WALE_{store}_PREFIX"], SettingCatalog.Find($"WALG_{store}_PREFIX")!.LookupNames);
        }
    }

    [Fact]
    public void A_parameter_that_no_tool_knows_is_an_error()
    {
        var failure = Assert.Throws<WalRusException>(() => Sources.Settings(given: [("WALG_COMPRESION_METHOD", "zstd")]));
        Assert.Equal(ErrorCode.SettingInvalid, failure.Code);
        Assert.Contains("WALG_COMPRESION_METHOD", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/home/somebody/.walg.json", "{\"WALG_FILE_PREFIX\":\"/a\"}")]
    [InlineData("/home/somebody/.walg.yaml", "WALG_FILE_PREFIX: /a")]
    [InlineData("/home/somebody/.walg.yml", "WALG_FILE_PREFIX: /a")]
    [InlineData("/home/somebody/.walg.env", "WALG_FILE_PREFIX=/a")]
    [InlineData("/home/somebody/.walg.dotenv", "export WALG_FILE_PREFIX='/a'")]
    public void The_file_in_the_home_folder_is_found(string path, string content)
    {
        var settings = Sources.Settings(files: [(path, content)]);
        Assert.Equal("/a", settings.Text(SettingCatalog.FilePrefix));
        Assert.Equal(path, settings.ConfigurationFilePath!.Replace('\\', '/'));
    }

    [Fact]
    public void The_named_file_wins_over_the_variable_s_over_the_home_folder_s()
    {
        (string, string)[] files =
            [("/a.json", "{\"AWS_REGION\":\"a\"}"), ("/b.json", "{\"AWS_REGION\":\"b\"}"), ($"{Sources.Home}/.walg.json", "{\"AWS_REGION\":\"c\"}")];
        Assert.Equal("a", Sources.Settings(environment: [("WALG_CONFIG_PATH", "/b.json")], files: files, configFile: "/a.json").Text(SettingCatalog.AwsRegion));
        Assert.Equal("b", Sources.Settings(environment: [("WALG_CONFIG_PATH", "/b.json")], files: files).Text(SettingCatalog.AwsRegion));
        Assert.Equal("b", Sources.Settings(given: [("WALG_CONFIG_PATH", "/b.json")], files: files).Text(SettingCatalog.AwsRegion));
        Assert.Equal("c", Sources.Settings(files: files).Text(SettingCatalog.AwsRegion));
    }

    [Fact]
    public void A_named_file_that_is_missing_is_an_error()
    {
        Assert.Equal(ErrorCode.ConfigurationFileInvalid, Assert.Throws<WalRusException>(() => Sources.Settings(configFile: "/none.json")).Code);
        Assert.Equal(
            ErrorCode.ConfigurationFileInvalid,
            Assert.Throws<WalRusException>(() => Sources.FromEnvironment(("WALG_CONFIG_PATH", "/none.json"))).Code);
    }

    [Fact]
    public void No_setting_is_declared_twice()
    {
        Assert.Equal(SettingCatalog.All.Count, SettingCatalog.All.Select(setting => setting.Name).Distinct().Count());
        Assert.All(SettingCatalog.All, setting => Assert.Contains(setting.Name, setting.LookupNames));
        Assert.All(SettingCatalog.All, setting => Assert.Equal(setting.Name.ToUpperInvariant(), setting.Name));
    }

    [Fact]
    public void Every_default_is_valid()
    {
        var settings = Sources.Settings();
        Assert.All(SettingCatalog.All, setting => Assert.Null(settings.ProblemOf(setting)));
    }
}
