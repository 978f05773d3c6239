namespace WalRus.Storage.S3;

/// <summary>
/// What an S3 store needs to know. The names in brackets are wal-g's settings (docs: settings, section 9).
/// Its text form shows where it is and nothing else, so that it can be logged.
/// </summary>
public sealed record S3StoreOptions
{
    /// <summary>S3's smallest part but the last.</summary>
    public const int SmallestPartBytes = 5 << 20;

    public required string Bucket { get; init; }

    /// <summary>Below which all keys lie, without '/' at its ends; "" for the bucket itself.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>[AWS_REGION] Null: asked of AWS (GetBucketLocation), or us-east-1 with <see cref="Endpoint"/>.</summary>
    public string? Region { get; init; }

    /// <summary>[AWS_ENDPOINT] A store other than AWS, with or without scheme (then https); null for AWS.</summary>
    public string? Endpoint { get; init; }

    /// <summary>[AWS_S3_FORCE_PATH_STYLE] The bucket in the path instead of the host name.</summary>
    public bool ForcePathStyle { get; init; }

    /// <summary>[AWS_DUAL_STACK] AWS's endpoints for IPv4 and IPv6.</summary>
    public bool DualStack { get; init; }

    /// <summary>[AWS_ACCESS_KEY_ID ...] Null: every source the SDK knows, in its order.</summary>
    public S3Keys? Keys { get; init; }

    /// <summary>[AWS_PROFILE] A profile of the shared files instead of the SDK's order.</summary>
    public string? Profile { get; init; }

    /// <summary>[AWS_SHARED_CREDENTIALS_FILE] Where the profile is, if not in the usual file.</summary>
    public string? SharedCredentialsFile { get; init; }

    /// <summary>[AWS_ROLE_ARN] A role to assume with the credentials found.</summary>
    public string? RoleArn { get; init; }

    /// <summary>[AWS_ROLE_SESSION_NAME]</summary>
    public string RoleSessionName { get; init; } = "walrus";

    /// <summary>[S3_CA_CERT_FILE] PEM certificates trusted beside the system's.</summary>
    public string? CaCertificateFile { get; init; }

    /// <summary>[S3_STORAGE_CLASS] Null: the bucket's default.</summary>
    public string? StorageClass { get; init; }

    /// <summary>[S3_SSE] "AES256" or "aws:kms"; null: the bucket's default.</summary>
    public string? ServerSideEncryption { get; init; }

    /// <summary>[S3_SSE_KMS_ID] The KMS key for "aws:kms".</summary>
    public string? KmsKeyId { get; init; }

    /// <summary>[S3_SSE_C] The customer's key: 32 bytes, sent with each request, never stored by S3.</summary>
    public ReadOnlyMemory<byte>? CustomerKey { get; init; }

    /// <summary>
    /// Size of the first parts, a multiple of 256 KiB; larger ones follow when an object needs more than 950
    /// (<see cref="S3PartSizes"/>).
    /// </summary>
    public int PartSizeBytes { get; init; } = SmallestPartBytes;

    /// <summary>
    /// An object up to this size is one request: a compressed WAL segment nearly always, which is three round trips less.
    /// </summary>
    public int SingleRequestBytes { get; init; } = 8 << 20;

    /// <summary>[S3_MAX_PART_SIZE] Parts never grow beyond this.</summary>
    public int MaxPartSizeBytes { get; init; } = 20 << 20;

    /// <summary>[UPLOAD_CONCURRENCY] Parts of one object sent at once; the buffer pool bounds all objects together.</summary>
    public int UploadConcurrency { get; init; } = 2;

    /// <summary>How long a request may go without a byte moving, and how long one read of a body may take.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long connecting may take.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>[S3_MAX_RETRIES ...] How often, with what waits and for how long in all.</summary>
    public RetryPolicy Retry { get; init; } = new();

    /// <summary>[S3_USE_LIST_OBJECTS_V1]</summary>
    public bool ListV1 { get; init; }

    /// <summary>[S3_DELETE_BATCH_SIZE] Keys in one DeleteObjects, 1 to 1000; 1 sends plain DELETEs.</summary>
    public int DeleteBatchSize { get; init; } = 1000;

    /// <summary>
    /// [S3_ENABLE_VERSIONING] Whether a delete removes every version of a key: as the bucket says (null), yes, or no.
    /// </summary>
    public bool? DeleteVersions { get; init; }

    /// <summary>
    /// False hashes each body into its signature over HTTPS too, where TLS already protects it. Over plain HTTP bodies
    /// are always hashed.
    /// </summary>
    public bool UnsignedPayloadOverHttps { get; init; } = true;

    /// <summary>[S3_DISABLE_100_CONTINUE] True never asks the server before sending a body.</summary>
    public bool Disable100Continue { get; init; }

    /// <summary>[S3_REQUEST_ADDITIONAL_HEADERS] Sent, and signed, with each request.</summary>
    public IReadOnlyDictionary<string, string>? AdditionalHeaders { get; init; }

    /// <summary>[S3_RETENTION_PERIOD] Object lock from the time of writing; null for none.</summary>
    public TimeSpan? RetentionPeriod { get; init; }

    /// <summary>[S3_RETENTION_MODE] "GOVERNANCE" or "COMPLIANCE".</summary>
    public string RetentionMode { get; init; } = "GOVERNANCE";

    public string Location => Prefix.Length == 0 ? $"s3://{Bucket}" : $"s3://{Bucket}/{Prefix}";

    /// <summary>The custom endpoint with its scheme, or null.</summary>
    internal Uri? EndpointUri => Endpoint is null ? null
        : Uri.TryCreate(Endpoint.Contains("://", StringComparison.Ordinal) ? Endpoint : $"https://{Endpoint}", UriKind.Absolute, out var uri)
            ? uri
            : throw new WalRusException(
                ErrorCode.SettingInvalid,
                $"AWS_ENDPOINT '{Endpoint}' is no address.",
                "Give it as https://host:port or host:port.");

    /// <summary>
    /// Whether joining parts checks that the key is free. AWS does; other servers (Ceph 18 among them) take the condition
    /// with a plain PUT and pass over it here.
    /// </summary>
    internal bool CompletesConditionally => Endpoint is null;

    internal bool UsesTls => EndpointUri?.Scheme != Uri.UriSchemeHttp;

    public override string ToString() => Location;
}

/// <summary>Static keys; the text form shows none of them.</summary>
/// <param name="AccessKeyId">Which account.</param>
/// <param name="SecretAccessKey">Its secret.</param>
/// <param name="SessionToken">For temporary keys.</param>
public sealed record S3Keys(string AccessKeyId, string SecretAccessKey, string? SessionToken = null)
{
    public override string ToString() => "static keys";
}
