using System.Text;
using WalRus.Configuration;
using WalRus.Storage.S3;

namespace WalRus.Tests.Configuration;

public sealed class S3SettingsTests
{
    [Theory]
    [InlineData("s3://bucket/path/to", null, "bucket", "path/to")]
    [InlineData("s3://bucket/path/to/", null, "bucket", "path/to")]
    [InlineData("s3://bucket", null, "bucket", "")]
    [InlineData("s3://bucket/", "shard/db", "bucket", "shard/db")]
    [InlineData("s3://bucket/a", "/shard/", "bucket", "a/shard")]
    [InlineData("other://My_Bucket/P%20a th", null, "My_Bucket", "P%20a th")]
    public void A_prefix_is_a_bucket_and_a_path(string prefix, string? below, string bucket, string path)
    {
        var options = Read(("WALG_S3_PREFIX", prefix), ("WALG_STORAGE_PREFIX", below ?? ""));
        Assert.Equal(bucket, options.Bucket);
        Assert.Equal(path, options.Prefix);
    }

    [Theory]
    [InlineData("bucket/path")]
    [InlineData("s3:///path")]
    [InlineData("s3://bucket/a//b")]
    [InlineData("s3://bucket/../x")]
    [InlineData("s3://user:hunter2@bucket/x")]
    public void What_is_no_prefix_is_refused(string prefix)
    {
        var failure = Assert.Throws<WalRusException>(() => Read(("WALG_S3_PREFIX", prefix)));
        Assert.Equal(ErrorCode.SettingInvalid, failure.Code);
        Assert.DoesNotContain("hunter2", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Wal_g_s_settings_reach_the_store()
    {
        var options = Read(
            ("AWS_ACCESS_KEY_ID", " id "), ("AWS_SECRET_ACCESS_KEY", "secret\n"), ("AWS_SESSION_TOKEN", "token"),
            ("AWS_REGION", "eu-central-1"), ("AWS_ENDPOINT", "https://store.example.com:9000"), ("AWS_S3_FORCE_PATH_STYLE", "true"),
            ("AWS_DUAL_STACK", "1"), ("AWS_PROFILE", "p"), ("AWS_SHARED_CREDENTIALS_FILE", "/c"), ("AWS_ROLE_ARN", "arn"),
            ("AWS_ROLE_SESSION_NAME", "me"), ("WALG_S3_CA_CERT_FILE", "/ca"), ("S3_STORAGE_CLASS", "STANDARD_IA"), ("WALE_S3_SSE", "aws:kms"),
            ("S3_SSE_KMS_ID", "k"), ("S3_MAX_PART_SIZE", "10MiB"), ("WALG_UPLOAD_CONCURRENCY", "7"), ("S3_MAX_RETRIES", "3"),
            ("S3_MIN_THROTTLING_RETRY_DELAY", "100"), ("S3_MAX_THROTTLING_RETRY_DELAY", "200"), ("WALRUS_STORE_TIMEOUT", "5s"),
            ("WALRUS_STORE_CONNECT_TIMEOUT", "6s"), ("WALRUS_STORE_RETRY_LIMIT", "7s"), ("S3_USE_LIST_OBJECTS_V1", "true"),
            ("S3_DELETE_BATCH_SIZE", "9"), ("S3_ENABLE_VERSIONING", "enabled"), ("S3_DISABLE_100_CONTINUE", "true"),
            ("S3_RETENTION_PERIOD", "3600"), ("S3_RETENTION_MODE", "compliance"), ("S3_REQUEST_ADDITIONAL_HEADERS", "x-a: 1\nX-B: two"));
        Assert.Equal(new S3Keys("id", "secret", "token"), options.Keys);
        Assert.Equal("eu-central-1", options.Region);
        Assert.Equal("https://store.example.com:9000", options.Endpoint);
        Assert.True(options.ForcePathStyle);
        Assert.True(options.DualStack);
        Assert.Equal(("p", "/c", "arn", "me"), (options.Profile, options.SharedCredentialsFile, options.RoleArn, options.RoleSessionName));
        Assert.Equal(("/ca", "STANDARD_IA", "aws:kms", "k"), (options.CaCertificateFile, options.StorageClass, options.ServerSideEncryption, options.KmsKeyId));
        Assert.Equal((10 << 20, 7), (options.MaxPartSizeBytes, options.UploadConcurrency));
        Assert.Equal(3, options.Retry.MaxRetries);
        Assert.Equal(100, options.Retry.ThrottledBaseDelay.TotalMilliseconds);
        Assert.Equal(200, options.Retry.ThrottledMaxDelay.TotalMilliseconds);
        Assert.Equal((5, 6, 7), (options.RequestTimeout.TotalSeconds, options.ConnectTimeout.TotalSeconds, options.Retry.TotalLimit.TotalSeconds));
        Assert.True(options.ListV1);
        Assert.Equal(9, options.DeleteBatchSize);
        Assert.True(options.DeleteVersions);
        Assert.True(options.Disable100Continue);
        Assert.Equal(TimeSpan.FromHours(1), options.RetentionPeriod);
        Assert.Equal("COMPLIANCE", options.RetentionMode);
        Assert.Equal([("x-a", "1"), ("X-B", "two")], options.AdditionalHeaders!.Select(header => (header.Key, header.Value)));
    }

    [Fact]
    public void Without_settings_the_bucket_s_own_defaults_hold()
    {
        var options = Read();
        Assert.Null(options.Keys);
        Assert.Null(options.StorageClass);
        Assert.Null(options.ServerSideEncryption);
        Assert.Null(options.RetentionPeriod);
        Assert.Null(options.DeleteVersions);
        Assert.Null(options.AdditionalHeaders);
        Assert.False(options.ForcePathStyle);
        Assert.Equal((2, 15), (options.UploadConcurrency, options.Retry.MaxRetries));
    }

    [Theory]
    [InlineData("http://127.0.0.1:9000", true)]
    [InlineData("http://[::1]:9000", true)]
    [InlineData("minio:9000", true)]
    [InlineData("http://localhost", true)]
    [InlineData("https://fra1.digitaloceanspaces.com", false)]
    public void An_endpoint_that_cannot_have_subdomains_gets_the_path_style(string endpoint, bool expected)
    {
        Assert.Equal(expected, Read(("AWS_ENDPOINT", endpoint)).ForcePathStyle);
        Assert.Equal(!expected, Read(("AWS_ENDPOINT", endpoint), ("AWS_S3_FORCE_PATH_STYLE", expected ? "false" : "true")).ForcePathStyle);
    }

    [Theory]
    [InlineData("AWS_ACCESS_KEY_ID", "id", "AWS_SECRET_ACCESS_KEY")]
    [InlineData("AWS_SECRET_ACCESS_KEY", "secret", "AWS_ACCESS_KEY_ID")]
    public void Half_a_key_pair_is_an_error(string name, string value, string missing)
    {
        var failure = Assert.Throws<WalRusException>(() => Read((name, value)));
        Assert.Equal(ErrorCode.SettingMissing, failure.Code);
        Assert.StartsWith(missing, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Server_side_encryption_must_be_whole()
    {
        Assert.Equal(ErrorCode.SettingMissing, Assert.Throws<WalRusException>(() => Read(("S3_SSE", "aws:kms"))).Code);
        Assert.Equal(ErrorCode.SettingInvalid, Assert.Throws<WalRusException>(() => Read(("S3_SSE_KMS_ID", "k"))).Code);
        Assert.Equal(ErrorCode.SettingInvalid, Assert.Throws<WalRusException>(() => Read(("S3_SSE_C", "short"))).Code);
        var customer = Read(("S3_SSE", "AES256"), ("S3_SSE_C", new string('k', 32)));
        Assert.Equal(new string('k', 32), Encoding.UTF8.GetString(customer.CustomerKey!.Value.Span));
        Assert.Null(customer.ServerSideEncryption);
        var encoded = Read(("S3_SSE_C", Convert.ToBase64String(Encoding.UTF8.GetBytes(new string('k', 32)))));
        Assert.Equal(new string('k', 32), Encoding.UTF8.GetString(encoded.CustomerKey!.Value.Span));
        Assert.Equal("AES256", Read(("S3_SSE", "AES256")).ServerSideEncryption);
    }

    [Theory]
    [InlineData("{\"a\":\"1\"}")]
    [InlineData("[{\"a\":\"1\"}]")]
    [InlineData("[{\"a\":\"0\"},{\"A\":\"1\"}]")]
    [InlineData("a: '1'")]
    public void Headers_are_a_map_or_a_list_of_maps(string text) =>
        Assert.Equal("1", Read(("S3_REQUEST_ADDITIONAL_HEADERS", text)).AdditionalHeaders!["a"]);

    [Theory]
    [InlineData("hunter2")]
    [InlineData("[1]")]
    [InlineData("{")]
    [InlineData("\"hunter2\"")]
    public void What_are_no_headers_is_refused_without_showing_it(string text)
    {
        var failure = Assert.Throws<WalRusException>(() => Read(("S3_REQUEST_ADDITIONAL_HEADERS", text)));
        Assert.Equal(ErrorCode.SettingInvalid, failure.Code);
        Assert.DoesNotContain("hunter2", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_web_identity_takes_the_place_of_the_role() =>
        Assert.Null(Read(("AWS_ROLE_ARN", "arn"), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token")).RoleArn);

    [Theory]
    [InlineData(null, null, 36 << 20)]
    [InlineData("4", null, 12 << 20)]
    [InlineData("1", null, 12 << 20)]
    [InlineData("1024", null, 64 << 20)]
    [InlineData("4", "9MiB", 9 << 20)]
    public async Task Buffers_are_as_large_as_the_parallel_uploads_want_unless_told(string? uploads, string? budget, long expected)
    {
        await using var engine = WalRusEngine.Open(
            Sources.FromEnvironment(
                ("WALG_FILE_PREFIX", "/not/there"), ("WALG_UPLOAD_CONCURRENCY", uploads ?? ""), ("WALRUS_BUFFER_BUDGET", budget ?? "")),
            NullEventLog.Instance);
        Assert.Equal(expected, engine.Buffers.BudgetBytes);
    }

    [Fact]
    public async Task The_engine_opens_an_s3_store_without_touching_the_network()
    {
        await using var engine = WalRusEngine.Open(
            Sources.FromEnvironment(
                ("WALG_S3_PREFIX", "s3://bucket/path"), ("WALG_FILE_PREFIX", "/not/this"), ("AWS_ENDPOINT", "http://127.0.0.1:1"),
                ("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "secret")),
            NullEventLog.Instance);
        Assert.Equal("s3://bucket/path", engine.Archive.Store.Location);
    }

    private static S3StoreOptions Read(params (string Name, string Value)[] environment)
    {
        var settings = Sources.FromEnvironment(
            environment.Any(pair => pair.Name == "WALG_S3_PREFIX") ? environment : [("WALG_S3_PREFIX", "s3://bucket/path"), .. environment]);
        return S3Settings.Read(settings, settings.Find(SettingCatalog.S3Prefix), NullEventLog.Instance);
    }
}
