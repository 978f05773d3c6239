using Amazon.S3;
using Amazon.S3.Model;

namespace WalRus.Storage.S3;

/// <summary>Deletes keys in batches; on a bucket that keeps versions, every version of each key, as wal-g does.</summary>
internal sealed class S3Deletion(S3Requests requests)
{
    /// <summary>What is worth a second try for a single key of a batch.</summary>
    private static readonly HashSet<string> Transient = ["InternalError", "SlowDown", "ServiceUnavailable", "OperationAborted"];

    private bool? versioned;

    private S3StoreOptions Options => requests.Options;

    public async ValueTask<DeleteResult> RunAsync(
        IReadOnlyCollection<ObjectKey> keys, CancellationToken cancellationToken)
    {
        var failed = new List<(ObjectKey Key, string Reason)>();
        if (keys.Count == 0)
        {
            return new DeleteResult(0, failed);
        }

        var allVersions = await DeletesVersionsAsync(cancellationToken).ConfigureAwait(false);
        foreach (var batch in keys.Distinct().Chunk(Options.DeleteBatchSize))
        {
            if (allVersions)
            {
                await DeleteVersionsAsync(batch, failed, cancellationToken).ConfigureAwait(false);
            }
            else
            {
                var versions = batch.Select(key => new KeyVersion { Key = S3Keyspace.FullKey(Options, key) });
                await DeleteBatchAsync([.. versions], failed, cancellationToken).ConfigureAwait(false);
            }
        }

        var kept = failed.DistinctBy(failure => failure.Key).ToList();
        return new DeleteResult(keys.Count - kept.Count, kept);
    }

    private async ValueTask<bool> DeletesVersionsAsync(CancellationToken cancellationToken)
    {
        if ((Options.DeleteVersions ?? versioned) is { } known)
        {
            return known;
        }

        try
        {
            var answer = await requests.SendAsync(
                $"Asking whether bucket '{Options.Bucket}' keeps versions",
                request => request.Client.GetBucketVersioningAsync(
                    new GetBucketVersioningRequest { BucketName = Options.Bucket }, request.Token),
                cancellationToken).ConfigureAwait(false);
            versioned = answer.VersioningConfig?.Status == VersionStatus.Enabled;
        }
        catch (WalRusException unknown) when (unknown.Code == ErrorCode.StoreAccessDenied
            || S3Errors.CodeOf(unknown) is "NotImplemented" or "MethodNotAllowed")
        {
            // Who may not ask may not delete versions either.
            versioned = false;
        }

        return versioned.Value;
    }

    private async ValueTask DeleteVersionsAsync(
        ObjectKey[] keys, List<(ObjectKey, string)> failed, CancellationToken cancellationToken)
    {
        var batch = new List<KeyVersion>();
        foreach (var key in keys)
        {
            var fullKey = S3Keyspace.FullKey(Options, key);
            ListVersionsResponse? page = null;
            do
            {
                page = await VersionsAsync(fullKey, page, cancellationToken).ConfigureAwait(false);
                foreach (var version in page.Versions?.Where(version => version.Key == fullKey) ?? [])
                {
                    batch.Add(new KeyVersion { Key = fullKey, VersionId = version.VersionId });
                    if (batch.Count == Options.DeleteBatchSize)
                    {
                        await DeleteBatchAsync(batch, failed, cancellationToken).ConfigureAwait(false);
                        batch.Clear();
                    }
                }
            }
            while (page.IsTruncated == true && page.NextKeyMarker == fullKey);
        }

        await DeleteBatchAsync(batch, failed, cancellationToken).ConfigureAwait(false);
    }

    private ValueTask<ListVersionsResponse> VersionsAsync(
        string fullKey, ListVersionsResponse? after, CancellationToken cancellationToken) => requests.SendAsync(
        $"Listing the versions of '{fullKey}'",
        request => request.Client.ListVersionsAsync(
            new ListVersionsRequest
            {
                BucketName = Options.Bucket,
                Prefix = fullKey,
                KeyMarker = after?.NextKeyMarker,
                VersionIdMarker = after?.NextVersionIdMarker,
            },
            request.Token),
        cancellationToken);

    private async ValueTask DeleteBatchAsync(
        List<KeyVersion> batch, List<(ObjectKey, string)> failed, CancellationToken cancellationToken)
    {
        if (batch.Count == 0)
        {
            return;
        }

        if (Options.DeleteBatchSize == 1)
        {
            await DeleteOneAsync(batch[0], failed, cancellationToken).ConfigureAwait(false);
            return;
        }

        var left = batch;
        for (var attempt = 1; left.Count > 0; attempt++)
        {
            var errors = await SendBatchAsync(left, cancellationToken).ConfigureAwait(false);
            var again = errors.Where(error => Transient.Contains(error.Code)).ToList();
            var passing = new WalRusException(ErrorCode.StoreThrottled, $"{again.Count} keys were put off") { IsTransient = true };
            var wait = again.Count > 0 ? Options.Retry.Wait(passing, attempt) : null;
            AddFailed(wait is null ? errors : errors.Except(again), failed);
            left = wait is null ? [] : [.. again.Select(error => new KeyVersion { Key = error.Key, VersionId = error.VersionId })];
            if (wait is { } pause)
            {
                await Options.Retry.PauseAsync(Operation(batch.Count), attempt, (pause, passing), cancellationToken)
                    .ConfigureAwait(false);
            }
        }
    }

    private async ValueTask<List<DeleteError>> SendBatchAsync(List<KeyVersion> batch, CancellationToken cancellationToken)
    {
        var answer = await requests.SendAsync(
            Operation(batch.Count),
            async request =>
            {
                var delete = new DeleteObjectsRequest { BucketName = Options.Bucket, Objects = [.. batch], Quiet = true };
                try
                {
                    return await request.Client.DeleteObjectsAsync(delete, request.Token).ConfigureAwait(false);
                }
                catch (DeleteObjectsException partly)
                {
                    return partly.Response;
                }
            },
            cancellationToken).ConfigureAwait(false);
        return answer.DeleteErrors ?? [];
    }

    private async ValueTask DeleteOneAsync(
        KeyVersion one, List<(ObjectKey, string)> failed, CancellationToken cancellationToken)
    {
        try
        {
            await requests.SendAsync(
                Operation(1),
                request => request.Client.DeleteObjectAsync(
                    new DeleteObjectRequest { BucketName = Options.Bucket, Key = one.Key, VersionId = one.VersionId },
                    request.Token),
                cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException gone) when (S3Errors.CodeOf(gone) is "NoSuchKey" or "NoSuchVersion")
        {
            // Deleting what is not there succeeds.
        }
        catch (WalRusException refused) when (refused.Code == ErrorCode.StoreAccessDenied)
        {
            AddFailed([new DeleteError { Key = one.Key, Code = "AccessDenied", Message = refused.Message }], failed);
        }
    }

    private void AddFailed(IEnumerable<DeleteError> errors, List<(ObjectKey, string)> failed)
    {
        foreach (var error in errors)
        {
            if (error.Code is not ("NoSuchKey" or "NoSuchVersion") && S3Keyspace.TryParse(Options, error.Key, out var key))
            {
                failed.Add((key, string.IsNullOrEmpty(error.Message) ? error.Code : $"{error.Code}: {error.Message}"));
            }
        }
    }

    private string Operation(int count) => $"Deleting {count} objects in {Options.Location}";
}
