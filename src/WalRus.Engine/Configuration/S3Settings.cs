using System.Net;
using System.Text;
using System.Text.Json;
using WalRus.Storage;
using WalRus.Storage.S3;

namespace WalRus.Configuration;

/// <summary>The S3 store's options from wal-g's settings.</summary>
internal static class S3Settings
{
    /// <summary>Parts of an object in flight unless the settings say more: more only waits for the same link, in memory.</summary>
    private const int UsualConcurrency = 2;

    /// <summary>wal-g's size of every part; here only what parts of very large objects grow to.</summary>
    private const long UsualMaxPartBytes = 20 << 20;

    private const int CustomerKeyBytes = 32;
    private const string Kms = "aws:kms";

    /// <exception cref="WalRusException"><see cref="ErrorCode.SettingInvalid"/>.</exception>
    public static S3StoreOptions Read(WalRusSettings settings, SettingValue prefix, IEventLog log)
    {
        var (bucket, path) = Location(prefix, StoreSelection.SubFolder(settings));
        var encryption = settings.Text(SettingCatalog.S3Sse);
        var customerKey = CustomerKey(settings);
        var endpoint = settings.Text(SettingCatalog.AwsEndpoint);
        return new S3StoreOptions
        {
            Bucket = bucket,
            Prefix = path,
            Region = settings.Text(SettingCatalog.AwsRegion),
            Endpoint = endpoint,
            ForcePathStyle = settings.BooleanOrNull(SettingCatalog.AwsS3ForcePathStyle) ?? HasNoSubdomains(endpoint),
            DualStack = settings.Boolean(SettingCatalog.AwsDualStack),
            Keys = Keys(settings),
            Profile = settings.Text(SettingCatalog.AwsProfile),
            SharedCredentialsFile = settings.Text(SettingCatalog.AwsSharedCredentialsFile),

            // With a web identity (a Kubernetes service account) the SDK assumes the role itself, as in wal-g.
            RoleArn = settings.IsSet(SettingCatalog.AwsWebIdentityTokenFile) ? null : settings.Text(SettingCatalog.AwsRoleArn),
            RoleSessionName = settings.Text(SettingCatalog.AwsRoleSessionName) ?? "walrus",
            CaCertificateFile = settings.Text(SettingCatalog.S3CaCertFile),
            StorageClass = settings.Find(SettingCatalog.S3StorageClass) is { IsSet: true } storageClass ? storageClass.Text : null,
            ServerSideEncryption = customerKey is null ? encryption : null,
            KmsKeyId = KmsKey(settings, encryption),
            CustomerKey = customerKey,
            MaxPartSizeBytes = MaxPartSize(settings),
            UploadConcurrency = settings.IntegerOrNull(SettingCatalog.S3UploadConcurrency) ?? UsualConcurrency,
            RequestTimeout = settings.Duration(SettingCatalog.StoreTimeout),
            ConnectTimeout = settings.Duration(SettingCatalog.StoreConnectTimeout),
            Retry = new RetryPolicy
            {
                MaxRetries = settings.Integer(SettingCatalog.S3MaxRetries),
                ThrottledBaseDelay = Milliseconds(settings, SettingCatalog.S3MinThrottlingRetryDelay),
                ThrottledMaxDelay = Milliseconds(settings, SettingCatalog.S3MaxThrottlingRetryDelay),
                TotalLimit = settings.Duration(SettingCatalog.StoreRetryLimit),
                Log = log,
            },
            ListV1 = settings.Boolean(SettingCatalog.S3UseListObjectsV1),
            DeleteBatchSize = settings.Integer(SettingCatalog.S3DeleteBatchSize),
            DeleteVersions = settings.Text(SettingCatalog.S3EnableVersioning) is { } versions ? versions == "enabled" : null,
            Disable100Continue = settings.Boolean(SettingCatalog.S3Disable100Continue),
            AdditionalHeaders = Headers(settings),
            RetentionPeriod = settings.Integer(SettingCatalog.S3RetentionPeriod) is > 0 and var seconds
                ? TimeSpan.FromSeconds(seconds) : null,
            RetentionMode = settings.Text(SettingCatalog.S3RetentionMode)!,
        };
    }

    /// <summary>As wal-g reads it: any scheme, a bucket, a path without slashes around it.</summary>
    private static (string Bucket, string Path) Location(SettingValue prefix, string? subFolder)
    {
        if (!Uri.TryCreate(prefix.Text, UriKind.Absolute, out var uri) || uri.Host.Length == 0 || uri.UserInfo.Length > 0)
        {
            throw WalRusSettings.Invalid(prefix, "an address such as s3://bucket/path");
        }

        // Not uri.Host and uri.AbsolutePath: they change case and escape what is part of the names.
        var rest = prefix.Text![(prefix.Text.IndexOf("://", StringComparison.Ordinal) + 3)..];
        var slash = rest.IndexOf('/', StringComparison.Ordinal);
        var bucket = slash < 0 ? rest : rest[..slash];
        var path = slash < 0 ? "" : rest[slash..].Trim('/');
        if (path.Length > 0 && !ObjectKey.TryParse(path, out _))
        {
            throw WalRusSettings.Invalid(prefix, "an address such as s3://bucket/path, without empty, '.' or '..' parts");
        }

        return (bucket, subFolder is null ? path : path.Length == 0 ? subFolder : $"{path}/{subFolder}");
    }

    private static S3Keys? Keys(WalRusSettings settings)
    {
        var id = settings.Text(SettingCatalog.AwsAccessKeyId)?.Trim();
        var secret = settings.Text(SettingCatalog.AwsSecretAccessKey)?.Trim();
        return (id, secret) switch
        {
            ({ Length: > 0 }, { Length: > 0 }) => new S3Keys(id, secret, settings.Text(SettingCatalog.AwsSessionToken)?.Trim()),
            (null or "", null or "") => null,
            _ => throw new WalRusException(
                ErrorCode.SettingMissing,
                $"{(string.IsNullOrEmpty(id) ? SettingCatalog.AwsAccessKeyId.Name : SettingCatalog.AwsSecretAccessKey.Name)} is not set, but its counterpart is.",
                "Set both, or neither to use the other sources of AWS credentials."),
        };
    }

    private static string? KmsKey(WalRusSettings settings, string? encryption)
    {
        var key = settings.Find(SettingCatalog.S3SseKmsId);
        return (encryption == Kms, key.IsSet) switch
        {
            (true, false) => throw new WalRusException(
                ErrorCode.SettingMissing, $"S3_SSE is {Kms}, but S3_SSE_KMS_ID is not set.", "Give the KMS key's id or ARN."),
            (false, true) => throw WalRusSettings.Invalid(key, $"left out unless S3_SSE is {Kms}"),
            _ => key.Text,
        };
    }

    private static ReadOnlyMemory<byte>? CustomerKey(WalRusSettings settings)
    {
        var value = settings.Find(SettingCatalog.S3SseC);
        if (!value.IsSet)
        {
            return null;
        }

        // The text's own bytes, as wal-g hands it to the AWS SDK; base64 of as many is taken too, which is never 32 long.
        var key = new byte[CustomerKeyBytes];
        if (Convert.TryFromBase64String(value.Text!, key, out var length) && length == CustomerKeyBytes)
        {
            return key;
        }

        key = Encoding.UTF8.GetBytes(value.Text!);
        return key.Length == CustomerKeyBytes ? key : throw WalRusSettings.Invalid(value, "32 bytes, or base64 of 32 bytes");
    }

    private static int MaxPartSize(WalRusSettings settings) => (int)Math.Clamp(
        settings.BytesOrNull(SettingCatalog.S3MaxPartSize) ?? UsualMaxPartBytes, S3StoreOptions.SmallestPartBytes, 1 << 30);

    /// <summary>True for an address that no name can stand before: an IP address, or a host without a dot (localhost, minio).</summary>
    private static bool HasNoSubdomains(string? endpoint)
    {
        if (endpoint is null)
        {
            return false;
        }

        var address = endpoint.Contains("://", StringComparison.Ordinal) ? endpoint : $"https://{endpoint}";
        return Uri.TryCreate(address, UriKind.Absolute, out var uri)
            && (IPAddress.TryParse(uri.Host, out _) || uri.HostNameType == UriHostNameType.IPv6
                || !uri.Host.Contains('.', StringComparison.Ordinal));
    }

    private static TimeSpan Milliseconds(WalRusSettings settings, Setting setting) => TimeSpan.FromMilliseconds(settings.Integer(setting));

    /// <summary>A map, or a list of maps, as JSON or (a map only) YAML.</summary>
    private static Dictionary<string, string>? Headers(WalRusSettings settings)
    {
        var value = settings.Find(SettingCatalog.S3RequestAdditionalHeaders);
        if (!value.IsSet)
        {
            return null;
        }

        const string expected = "a map of header names to values";
        if (value.Text!.TrimStart()[..1] is not ("{" or "["))
        {
            try
            {
                return YamlConfiguration.Parse(value.Setting.Name, Encoding.UTF8.GetBytes(value.Text))
                    .ToDictionary(header => header.Key, header => header.Value.Text);
            }
            catch (WalRusException)
            {
                throw WalRusSettings.Invalid(value, expected);
            }
        }

        if (!SettingText.TryJson(value.Text, out var json))
        {
            throw WalRusSettings.Invalid(value, expected);
        }

        var maps = json.ValueKind == JsonValueKind.Array ? json.EnumerateArray().ToArray() : [json];
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var map in maps)
        {
            if (map.ValueKind != JsonValueKind.Object)
            {
                throw WalRusSettings.Invalid(value, expected);
            }

            foreach (var header in map.EnumerateObject())
            {
                headers[header.Name] = header.Value.ValueKind == JsonValueKind.String
                    ? header.Value.GetString()! : header.Value.GetRawText();
            }
        }

        return headers;
    }
}
