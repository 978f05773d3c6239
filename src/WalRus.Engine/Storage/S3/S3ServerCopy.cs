using Amazon.S3;
using Amazon.S3.Model;

namespace WalRus.Storage.S3;

/// <summary>One request that has the server copy an object, within a bucket or between two that the same account reaches.</summary>
internal static class S3ServerCopy
{
    /// <summary>One server, one account, and no key of the customer's, which the server would need for both.</summary>
    public static bool IsPossible(S3StoreOptions source, S3StoreOptions target) =>
        source.EndpointUri == target.EndpointUri && source.Keys == target.Keys && source.Profile == target.Profile
        && source.RoleArn == target.RoleArn && source.CustomerKey is null && target.CustomerKey is null
        && (source.Region == target.Region || source.Endpoint is not null);

    /// <returns>False when the server does not.</returns>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectNotFound"/>.</exception>
    public static async ValueTask<bool> RunAsync(
        S3Requests requests, (S3StoreOptions Store, ObjectKey Key) from, ObjectKey to, CancellationToken cancellationToken)
    {
        var copy = RequestFor(requests.Options, from, to);

        // The server sends nothing that would count as moving while it copies.
        var limits = (requests.Options.Retry, requests.Options.RequestTimeout * 5);
        try
        {
            await requests.SendAsync(
                $"Copying '{copy.SourceKey}' to '{copy.DestinationKey}'",
                request => request.Client.CopyObjectAsync(copy, request.Token),
                limits,
                cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (WalRusException refused) when (refused.Code == ErrorCode.StoreAccessDenied
            || S3Errors.CodeOf(refused) is "NotImplemented" or "MethodNotAllowed" or "InvalidRequest" or "EntityTooLarge")
        {
            // Reading and writing have rights of their own, and no limit of size: they say what is really wrong.
            return false;
        }
    }

    private static CopyObjectRequest RequestFor(
        S3StoreOptions target, (S3StoreOptions Store, ObjectKey Key) from, ObjectKey to)
    {
        var copy = new CopyObjectRequest
        {
            SourceBucket = from.Store.Bucket,
            SourceKey = S3Keyspace.FullKey(from.Store, from.Key),
            DestinationBucket = target.Bucket,
            DestinationKey = S3Keyspace.FullKey(target, to),
            StorageClass = target.StorageClass is { } name ? S3StorageClass.FindValue(name) : null,
            ServerSideEncryptionMethod =
                target.ServerSideEncryption is { } method ? ServerSideEncryptionMethod.FindValue(method) : null,
            ServerSideEncryptionKeyManagementServiceKeyId = target.KmsKeyId,
        };
        if (target.RetentionPeriod is { } period)
        {
            copy.ObjectLockMode = ObjectLockMode.FindValue(target.RetentionMode);
            copy.ObjectLockRetainUntilDate = DateTime.UtcNow + period;
        }

        return copy;
    }
}
