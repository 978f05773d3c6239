using System.Text;
using WalRus.Storage;
using WalRus.Storage.S3;
using WalRus.Streaming;

namespace WalRus.Configuration;

/// <summary>The S3 store that the settings describe (wal-g's settings, section S3).</summary>
internal static class S3Selection
{
    private const int CustomerKeyBytes = 32;

    /// <exception cref="WalRusException"><see cref="ErrorCode.SettingInvalid"/>.</exception>
    public static IObjectStore Open(WalRusSettings settings, SettingValue prefix, NativeBufferPool buffers, IEventLog log) =>
        new S3ObjectStore(Options(settings, prefix, log), buffers);

    /// <summary>Apart from opening, so that tests can look at it.</summary>
    internal static S3StoreOptions Options(WalRusSettings settings, SettingValue prefix, IEventLog log)
    {
        var (bucket, path) = Split(prefix);
        var endpoint = settings.Text(SettingCatalog.AwsEndpoint);
        var (sse, customerKey) = Encryption(settings);
        var maxPart = (int)Math.Min(int.MaxValue, settings.BytesOrNull(SettingCatalog.S3MaxPartSize) ?? (20 << 20));
        return new S3StoreOptions
        {
            Bucket = bucket,
            Prefix = string.Join('/', ((string?[])[path, StoreSelection.SubFolder(settings)]).Where(part => !string.IsNullOrEmpty(part))),
            Region = settings.Text(SettingCatalog.AwsRegion),
            Endpoint = endpoint,
            ForcePathStyle = settings.BooleanOrNull(SettingCatalog.AwsS3ForcePathStyle) ?? false,
            Keys = Keys(settings),
            Profile = settings.Text(SettingCatalog.AwsProfile),
            SharedCredentialsFile = settings.Text(SettingCatalog.AwsSharedCredentialsFile),
            RoleArn = settings.Text(SettingCatalog.AwsRoleArn),
            RoleSessionName = settings.Text(SettingCatalog.AwsRoleSessionName) ?? "walrus",
            CaCertificateFile = settings.Text(SettingCatalog.S3CaCertFile),
            StorageClass = settings.IsSet(SettingCatalog.S3StorageClass) ? settings.Text(SettingCatalog.S3StorageClass) : null,
            ServerSideEncryption = sse,
            KmsKeyId = settings.Text(SettingCatalog.S3SseKmsId),
            CustomerKey = customerKey,
            MaxPartSizeBytes = maxPart,
            PartSizeBytes = Math.Min(maxPart, S3StoreOptions.SmallestPartBytes),
            Retry = new RetryPolicy { MaxRetries = settings.Integer(SettingCatalog.S3MaxRetries), Log = log },
            ListV1 = settings.Boolean(SettingCatalog.S3UseListObjectsV1),
            DeleteBatchSize = settings.Integer(SettingCatalog.S3DeleteBatchSize),
        };
    }

    /// <summary>"s3://bucket/path": the scheme's text is not compared, as in wal-g.</summary>
    private static (string Bucket, string Path) Split(SettingValue prefix)
    {
        var text = prefix.Text!;
        var scheme = text.IndexOf("://", StringComparison.Ordinal);
        var rest = scheme > 0 ? text[(scheme + 3)..] : "";
        var slash = rest.IndexOf('/', StringComparison.Ordinal);
        var bucket = slash < 0 ? rest : rest[..slash];
        var path = slash < 0 ? "" : rest[(slash + 1)..].Trim('/');
        return bucket.Length > 0 && (path.Length == 0 || ObjectKey.TryParse(path, out _))
            ? (bucket, path)
            : throw WalRusSettings.Invalid(prefix, "an address such as s3://bucket/path");
    }

    /// <summary>Both keys or neither: half of them would fall back to whatever credentials the machine has.</summary>
    private static S3Keys? Keys(WalRusSettings settings)
    {
        var (id, secret) = (settings.Find(SettingCatalog.AwsAccessKeyId), settings.Find(SettingCatalog.AwsSecretAccessKey));
        return (id.IsSet, secret.IsSet) switch
        {
            (false, false) => null,
            (true, true) => new S3Keys(id.Text!.Trim(), secret.Text!.Trim(), settings.Text(SettingCatalog.AwsSessionToken)),
            _ => throw new WalRusException(
                ErrorCode.SettingMissing,
                $"{(id.IsSet ? id : secret).Setting.Name} is set and {(id.IsSet ? secret : id).Setting.Name} is not.",
                "Set both, or neither to use the AWS SDK's own credential sources."),
        };
    }

    private static (string? Method, ReadOnlyMemory<byte>? CustomerKey) Encryption(WalRusSettings settings)
    {
        var method = settings.Text(SettingCatalog.S3Sse);
        var kmsKey = settings.Find(SettingCatalog.S3SseKmsId);
        if (kmsKey.IsSet != (method == "aws:kms"))
        {
            throw new WalRusException(
                ErrorCode.SettingInvalid,
                "S3_SSE_KMS_ID goes with S3_SSE=aws:kms and with nothing else.",
                "Set both, or leave S3_SSE_KMS_ID out.");
        }

        var customerKey = settings.Find(SettingCatalog.S3SseC);
        return customerKey.IsSet ? (null, CustomerKey(customerKey)) : (method, null);
    }

    /// <summary>wal-g sends the text's bytes as the key; base64 of 32 bytes is taken too.</summary>
    private static byte[] CustomerKey(SettingValue value)
    {
        var decoded = new byte[CustomerKeyBytes];
        if (Convert.TryFromBase64String(value.Text!, decoded, out var length) && length == CustomerKeyBytes)
        {
            return decoded;
        }

        var plain = Encoding.UTF8.GetBytes(value.Text!);
        return plain.Length == CustomerKeyBytes ? plain : throw WalRusSettings.Invalid(value, "32 bytes, or base64 of 32 bytes");
    }
}
