using System.Globalization;
using System.Security.Cryptography;
using Amazon.S3;
using Amazon.S3.Model;

namespace WalRus.Storage.S3;

/// <summary>How the server encrypts and keeps an object, put on each request that must say so.</summary>
internal static class S3Encryption
{
    /// <summary>For a request that makes an object.</summary>
    public static void ApplyToObject(List<(string Name, string Value)> headers, S3StoreOptions options)
    {
        if (options.StorageClass is { } storageClass)
        {
            headers.Add(("x-amz-storage-class", storageClass));
        }

        if (options.CustomerKey is null && options.ServerSideEncryption is { } method)
        {
            headers.Add(("x-amz-server-side-encryption", method));
            if (options.KmsKeyId is { } key)
            {
                headers.Add(("x-amz-server-side-encryption-aws-kms-key-id", key));
            }
        }

        if (options.RetentionPeriod is { } period)
        {
            var until = (DateTime.UtcNow + period).ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
            headers.Add(("x-amz-object-lock-mode", options.RetentionMode));
            headers.Add(("x-amz-object-lock-retain-until-date", until));
        }

        ApplyCustomerKey(headers, options);
    }

    /// <summary>For every request for an object's bytes or facts: S3 does not keep the customer's key.</summary>
    public static void ApplyCustomerKey(List<(string Name, string Value)> headers, S3StoreOptions options)
    {
        if (options.CustomerKey is not { } key)
        {
            return;
        }

        headers.Add(("x-amz-server-side-encryption-customer-algorithm", "AES256"));
        headers.Add(("x-amz-server-side-encryption-customer-key", Convert.ToBase64String(key.Span)));
#pragma warning disable CA5351 // A checksum of the key that the protocol names, no protection.
        headers.Add(("x-amz-server-side-encryption-customer-key-md5", Convert.ToBase64String(MD5.HashData(key.Span))));
#pragma warning restore CA5351
    }

    /// <summary>For the request that begins an upload, which the SDK sends.</summary>
    public static void ApplyTo(InitiateMultipartUploadRequest request, S3StoreOptions options)
    {
        request.StorageClass = options.StorageClass is { } name ? S3StorageClass.FindValue(name) : null;
        if (options.CustomerKey is { } key)
        {
            request.ServerSideEncryptionCustomerMethod = ServerSideEncryptionCustomerMethod.AES256;
            request.ServerSideEncryptionCustomerProvidedKey = Convert.ToBase64String(key.Span);
        }
        else
        {
            request.ServerSideEncryptionMethod =
                options.ServerSideEncryption is { } method ? ServerSideEncryptionMethod.FindValue(method) : null;
            request.ServerSideEncryptionKeyManagementServiceKeyId = options.KmsKeyId;
        }

        if (options.RetentionPeriod is { } period)
        {
            request.ObjectLockMode = ObjectLockMode.FindValue(options.RetentionMode);
            request.ObjectLockRetainUntilDate = DateTime.UtcNow + period;
        }
    }
}
