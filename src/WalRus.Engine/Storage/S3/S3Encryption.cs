using Amazon.S3;
using Amazon.S3.Model;

namespace WalRus.Storage.S3;

/// <summary>How the server encrypts and keeps an object, put on each request that must say so.</summary>
internal static class S3Encryption
{
    private static readonly ServerSideEncryptionCustomerMethod Aes256 = ServerSideEncryptionCustomerMethod.AES256;

    public static void ApplyTo(PutObjectRequest request, S3StoreOptions options)
    {
        request.StorageClass = Class(options);
        if (CustomerKey(options) is { } key)
        {
            (request.ServerSideEncryptionCustomerMethod, request.ServerSideEncryptionCustomerProvidedKey) = (Aes256, key);
        }
        else
        {
            request.ServerSideEncryptionMethod = Method(options);
            request.ServerSideEncryptionKeyManagementServiceKeyId = options.KmsKeyId;
        }

        if (options.RetentionPeriod is { } period)
        {
            request.ObjectLockMode = ObjectLockMode.FindValue(options.RetentionMode);
            request.ObjectLockRetainUntilDate = DateTime.UtcNow + period;
        }
    }

    public static void ApplyTo(InitiateMultipartUploadRequest request, S3StoreOptions options)
    {
        request.StorageClass = Class(options);
        if (CustomerKey(options) is { } key)
        {
            (request.ServerSideEncryptionCustomerMethod, request.ServerSideEncryptionCustomerProvidedKey) = (Aes256, key);
        }
        else
        {
            request.ServerSideEncryptionMethod = Method(options);
            request.ServerSideEncryptionKeyManagementServiceKeyId = options.KmsKeyId;
        }

        if (options.RetentionPeriod is { } period)
        {
            request.ObjectLockMode = ObjectLockMode.FindValue(options.RetentionMode);
            request.ObjectLockRetainUntilDate = DateTime.UtcNow + period;
        }
    }

    public static void ApplyTo(UploadPartRequest request, S3StoreOptions options)
    {
        if (CustomerKey(options) is { } key)
        {
            (request.ServerSideEncryptionCustomerMethod, request.ServerSideEncryptionCustomerProvidedKey) = (Aes256, key);
        }
    }

    public static void ApplyTo(GetObjectRequest request, S3StoreOptions options)
    {
        if (CustomerKey(options) is { } key)
        {
            (request.ServerSideEncryptionCustomerMethod, request.ServerSideEncryptionCustomerProvidedKey) = (Aes256, key);
        }
    }

    public static void ApplyTo(GetObjectMetadataRequest request, S3StoreOptions options)
    {
        if (CustomerKey(options) is { } key)
        {
            (request.ServerSideEncryptionCustomerMethod, request.ServerSideEncryptionCustomerProvidedKey) = (Aes256, key);
        }
    }

    private static string? CustomerKey(S3StoreOptions options) =>
        options.CustomerKey is { } key ? Convert.ToBase64String(key.Span) : null;

    private static S3StorageClass? Class(S3StoreOptions options) =>
        options.StorageClass is null ? null : S3StorageClass.FindValue(options.StorageClass);

    private static ServerSideEncryptionMethod? Method(S3StoreOptions options) =>
        options.ServerSideEncryption is null ? null : ServerSideEncryptionMethod.FindValue(options.ServerSideEncryption);
}
