using static WalRus.Configuration.SettingGroup;

namespace WalRus.Configuration;

public static partial class SettingCatalog
{
    public static Setting FilePrefix { get; } = PrefixOf("FILE", "folder that holds the archive").Supported();

    public static Setting S3Prefix { get; } = PrefixOf("S3", "s3://bucket/path").Supported();

    public static Setting GsPrefix { get; } = PrefixOf("GS", "gs://bucket/path").Foreign();

    public static Setting AzPrefix { get; } = PrefixOf("AZ", "azure://container/path").Foreign();

    public static Setting OssPrefix { get; } = PrefixOf("OSS", "oss://bucket/path").Foreign();

    public static Setting SwiftPrefix { get; } = PrefixOf("SWIFT", "swift://container/path").Foreign();

    public static Setting SshPrefix { get; } = PrefixOf("SSH", "ssh://host/path").Foreign();

    public static Setting AwsAccessKeyId { get; } =
        Text(S3, "AWS_ACCESS_KEY_ID", "access key").StorageKey(Forms("AWS_ACCESS_KEY")).Supported();

    public static Setting AwsSecretAccessKey { get; } =
        Text(S3, "AWS_SECRET_ACCESS_KEY", "secret key").StorageKey(Forms("AWS_SECRET_KEY")).Secret().Supported();

    public static Setting AwsSessionToken { get; } =
        Text(S3, "AWS_SESSION_TOKEN", "session token").StorageKey().Secret().Supported();

    public static Setting AwsRegion { get; } =
        Text(S3, "AWS_REGION", "region").StorageKey("WALG_S3_REGION", "AWS_DEFAULT_REGION").Supported();

    public static Setting AwsEndpoint { get; } =
        Text(S3, "AWS_ENDPOINT", "address of a store that is not AWS").StorageKey("WALG_S3_ENDPOINT", "AWS_ENDPOINT_URL").Supported();

    public static Setting AwsS3ForcePathStyle { get; } =
        Boolean(S3, "AWS_S3_FORCE_PATH_STYLE", "bucket in the path, not in the host name", null).StorageKey().Supported();

    public static Setting AwsDualStack { get; } = Boolean(S3, "AWS_DUAL_STACK", "dual-stack addresses").StorageKey().Supported();

    public static Setting AwsRoleArn { get; } = Text(S3, "AWS_ROLE_ARN", "role to assume").StorageKey().Supported();

    public static Setting AwsRoleSessionName { get; } = Text(S3, "AWS_ROLE_SESSION_NAME", "name of that session").StorageKey().Supported();

    public static Setting AwsWebIdentityTokenFile { get; } =
        FilePath(S3, "AWS_WEB_IDENTITY_TOKEN_FILE", "a service account's token; the AWS SDK assumes the role with it").Supported();

    public static Setting AwsProfile { get; } = Text(S3, "AWS_PROFILE", "profile of the AWS files").Supported();

    public static Setting AwsSharedCredentialsFile { get; } =
        FilePath(S3, "AWS_SHARED_CREDENTIALS_FILE", "AWS credentials file").Supported();

    public static Setting AwsConfigFile { get; } = FilePath(S3, "AWS_CONFIG_FILE", "AWS configuration file").Foreign();

    public static Setting S3CaCertFile { get; } =
        FilePath(S3, "S3_CA_CERT_FILE", "certificates the store's is checked against").StorageKey("AWS_CA_BUNDLE").Supported();

    public static Setting S3StorageClass { get; } = Text(S3, "S3_STORAGE_CLASS", "storage class", "STANDARD").StorageKey().Supported();

    public static Setting S3Sse { get; } = Text(S3, "S3_SSE", "server-side encryption (AES256, aws:kms)").StorageKey().Supported();

    public static Setting S3SseC { get; } = Text(S3, "S3_SSE_C", "customer's key of server-side encryption").StorageKey().Secret().Supported();

    public static Setting S3SseKmsId { get; } = Text(S3, "S3_SSE_KMS_ID", "KMS key of server-side encryption").StorageKey().Supported();

    public static Setting S3MaxPartSize { get; } =
        Bytes(S3, "S3_MAX_PART_SIZE", "size of a part of a multipart upload", null, 5L << 20, 5L << 30).StorageKey().Supported();

    /// <summary>Normally given as <c>WALG_UPLOAD_CONCURRENCY</c>, which is also the general setting.</summary>
    public static Setting S3UploadConcurrency { get; } =
        Integer(S3, "UPLOAD_CONCURRENCY", "parts uploaded at the same time", null, 1, 1024).StorageKey().Supported();

    public static Setting S3MaxRetries { get; } = Integer(S3, "S3_MAX_RETRIES", "tries of a request", "15", 0, 1000).StorageKey().Supported();

    public static Setting S3MinThrottlingRetryDelay { get; } =
        Integer(S3, "S3_MIN_THROTTLING_RETRY_DELAY", "ms", "500", 0).StorageKey().Supported();

    public static Setting S3MaxThrottlingRetryDelay { get; } =
        Integer(S3, "S3_MAX_THROTTLING_RETRY_DELAY", "ms", "300000", 0).StorageKey().Supported();

    public static Setting S3RangeBatchEnabled { get; } =
        Boolean(S3, "S3_RANGE_BATCH_ENABLED", "resume downloads; always done here").StorageKey().Foreign();

    public static Setting S3RangeMaxRetries { get; } =
        Integer(S3, "S3_RANGE_MAX_RETRIES", "how often a download is resumed", "10", 0).StorageKey().Foreign();

    public static Setting S3UseListObjectsV1 { get; } = Boolean(S3, "S3_USE_LIST_OBJECTS_V1", "the old listing call").StorageKey().Supported();

    public static Setting S3LogLevel { get; } = Text(S3, "S3_LOG_LEVEL", "AWS SDK's log").StorageKey().Foreign();

    public static Setting S3SkipValidation { get; } =
        Boolean(S3, "S3_SKIP_VALIDATION", "no access check at start", true).StorageKey().Foreign();

    public static Setting S3UseYcSessionToken { get; } = Boolean(S3, "S3_USE_YC_SESSION_TOKEN", "Yandex' credentials")
        .StorageKey().Refused("Give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of a static access key.", "false", "0");

    public static Setting S3EndpointSource { get; } = Text(S3, "S3_ENDPOINT_SOURCE", "address that names the store's node")
        .StorageKey().Refused("Give the address itself in AWS_ENDPOINT.");

    public static Setting S3EndpointPort { get; } = Text(S3, "S3_ENDPOINT_PORT", "port of that node", "443").StorageKey().Foreign();

    public static Setting S3EndpointProtocol { get; } = Text(S3, "S3_ENDPOINT_PROTOCOL", "scheme of that node").StorageKey().Foreign();

    public static Setting S3RequestAdditionalHeaders { get; } = Json(S3, "S3_REQUEST_ADDITIONAL_HEADERS", "headers of each request, a map")
        .StorageKey().Secret().Supported();

    public static Setting S3RetentionPeriod { get; } =
        Integer(S3, "S3_RETENTION_PERIOD", "object lock, seconds", "-1", -1).StorageKey().Supported();

    public static Setting S3RetentionMode { get; } = Choice(S3, "S3_RETENTION_MODE", "object lock's mode", "GOVERNANCE", "GOVERNANCE", "COMPLIANCE").StorageKey().Supported();

    public static Setting S3Disable100Continue { get; } = Boolean(S3, "S3_DISABLE_100_CONTINUE", "no Expect header").StorageKey().Supported();

    public static Setting S3EnableVersioning { get; } =
        Text(S3, "S3_ENABLE_VERSIONING", "whether delete removes versions too").StorageKey().Supported();

    public static Setting S3DeleteBatchSize { get; } =
        Integer(S3, "S3_DELETE_BATCH_SIZE", "keys of one delete request", "1000", 1, 1000).StorageKey().Supported();

    private static Setting PrefixOf(string store, string meaning) => new($"WALG_{store}_PREFIX", SettingKind.Text, Prefix, meaning)
    {
        LookupNames = [$"WALG_{store}_PREFIX", $"WALE_{store}_PREFIX"],
    };
}
