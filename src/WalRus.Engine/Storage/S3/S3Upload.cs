using System.Globalization;
using Amazon.S3.Model;
using WalRus.Streaming;

namespace WalRus.Storage.S3;

/// <summary>The requests that write one object.</summary>
internal sealed class S3Upload(S3Requests requests, string fullKey, WriteCondition condition)
{
    /// <summary>Metadata that tells a writer its own object from another's.</summary>
    public const string WriteIdHeader = "x-amz-meta-walrus-write";

    private static readonly TimeSpan AbortLimit = TimeSpan.FromSeconds(20);

    private readonly string writeId = Guid.NewGuid().ToString("N");
    private string? uploadId;

    public S3StoreOptions Options => requests.Options;

    public bool HasBegun => uploadId is not null;

    /// <summary>True when only a single PUT is sure not to replace an object: worth a larger buffer.</summary>
    public bool NeedsOneRequest => condition == WriteCondition.IfAbsent && !Options.CompletesConditionally;

    private string? IfNoneMatch => condition == WriteCondition.IfAbsent ? "*" : null;

    /// <summary>Writes the whole object in one request.</summary>
    public async ValueTask PutAsync(GrowingBuffer content, CancellationToken cancellationToken)
    {
        var put = new S3WireRequest
        {
            Method = HttpMethod.Put, Key = fullKey, Body = content, PayloadHash = HashOf(content),
        };
        if (condition == WriteCondition.IfAbsent)
        {
            put.Headers.Add(("if-none-match", "*"));
            put.Headers.Add((WriteIdHeader, writeId));
        }

        S3Encryption.ApplyToObject(put.Headers, Options);
        AddLockChecksum(put);
        try
        {
            await SendAsync($"Putting '{fullKey}'", put, cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException taken) when (taken.Code == ErrorCode.ObjectExists)
        {
            await AcceptOwnAsync(taken, cancellationToken).ConfigureAwait(false);
        }
    }

    public async ValueTask BeginAsync(CancellationToken cancellationToken)
    {
        var answer = await requests.SendAsync(
            $"Beginning '{fullKey}'",
            request =>
            {
                var begin = new InitiateMultipartUploadRequest { BucketName = Options.Bucket, Key = fullKey };
                begin.Metadata.Add(WriteIdHeader, writeId);
                S3Encryption.ApplyTo(begin, Options);
                return request.Client.InitiateMultipartUploadAsync(begin, request.Token);
            },
            cancellationToken).ConfigureAwait(false);
        uploadId = answer.UploadId;
    }

    /// <returns>The part's ETag.</returns>
    public async ValueTask<string> PutPartAsync(int number, GrowingBuffer content, CancellationToken cancellationToken)
    {
        var part = new S3WireRequest
        {
            Method = HttpMethod.Put,
            Key = fullKey,
            Query = string.Create(
                CultureInfo.InvariantCulture,
                $"partNumber={number}&uploadId={S3Signature.Encode(uploadId!, keepSlashes: false)}"),
            Body = content,
            PayloadHash = HashOf(content),
        };
        S3Encryption.ApplyCustomerKey(part.Headers, Options);
        AddLockChecksum(part);
        return await SendAsync($"Putting part {number} of '{fullKey}'", part, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Makes the parts one visible object.</summary>
    public async ValueTask CompleteAsync(IReadOnlyList<string> etags, CancellationToken cancellationToken)
    {
        if (NeedsOneRequest)
        {
            await RefuseTakenAsync(cancellationToken).ConfigureAwait(false);
        }

        // S3 may need minutes to join the parts, and sends nothing that would count as moving.
        var limits = (Options.Retry, Options.RequestTimeout * 5);
        try
        {
            await requests.SendAsync(
                $"Completing '{fullKey}'",
                request => request.Client.CompleteMultipartUploadAsync(CompleteRequest(etags), request.Token),
                limits,
                cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException refused) when (
            refused.Code == ErrorCode.ObjectExists || S3Errors.CodeOf(refused) == "NoSuchUpload")
        {
            // The upload is gone once a try succeeded whose answer was lost.
            await AcceptOwnAsync(refused, cancellationToken).ConfigureAwait(false);
        }

        uploadId = null;
    }

    /// <summary>Removes the parts, whatever the caller's token says, and within a short time of its own.</summary>
    public async ValueTask AbortAsync()
    {
        if (uploadId is null)
        {
            return;
        }

        var limits = (Options.Retry with { TotalLimit = AbortLimit }, Options.RequestTimeout);
        try
        {
            await requests.SendAsync(
                $"Aborting '{fullKey}'",
                request => request.Client.AbortMultipartUploadAsync(
                    new AbortMultipartUploadRequest { BucketName = Options.Bucket, Key = fullKey, UploadId = uploadId },
                    request.Token),
                limits,
                CancellationToken.None).ConfigureAwait(false);
        }
        catch (WalRusException left)
        {
            if (S3Errors.CodeOf(left) != "NoSuchUpload")
            {
                Options.Retry.Log.UploadLeft(fullKey, uploadId, left.Message);
            }
        }

        uploadId = null;
    }

    /// <returns>What was written has this ETag.</returns>
    private ValueTask<string> SendAsync(string operation, S3WireRequest write, CancellationToken cancellationToken) =>
        requests.SendAsync(
            operation,
            async request =>
            {
                using var answer = await request.SendAsync(write).ConfigureAwait(false);
                return answer.Headers.TryGetValues("ETag", out var tags) ? tags.First() : "";
            },
            cancellationToken);

    /// <summary>S3 takes a locked object only with a checksum of its content.</summary>
    private void AddLockChecksum(S3WireRequest write)
    {
        if (Options.RetentionPeriod is not null)
        {
            write.Headers.Add(("content-md5", S3WireRequest.Md5(write.Body!)));
        }
    }

    private CompleteMultipartUploadRequest CompleteRequest(IReadOnlyList<string> etags)
    {
        var complete = new CompleteMultipartUploadRequest
        {
            BucketName = Options.Bucket,
            Key = fullKey,
            UploadId = uploadId,
            IfNoneMatch = IfNoneMatch,
        };
        complete.AddPartETags(etags.Select((etag, index) => new PartETag(index + 1, etag)));
        return complete;
    }

    /// <summary>For a server that may not check when it joins parts: this leaves a narrow gap only.</summary>
    private async ValueTask RefuseTakenAsync(CancellationToken cancellationToken)
    {
        try
        {
            await S3ObjectStore.HeadAsync(requests, fullKey, cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException free) when (free.Code == ErrorCode.ObjectNotFound)
        {
            return;
        }

        throw Taken(null);
    }

    /// <summary>
    /// Returns when the object that is there is the one this upload wrote: by a try whose answer was lost, which can also
    /// be one that HttpClient repeated by itself when a connection broke before any answer.
    /// </summary>
    private async ValueTask AcceptOwnAsync(WalRusException refused, CancellationToken cancellationToken)
    {
        try
        {
            var found = await S3ObjectStore.HeadAsync(requests, fullKey, cancellationToken).ConfigureAwait(false);
            if (found.WriteId == writeId)
            {
                return;
            }
        }
        catch (WalRusException absent) when (absent.Code == ErrorCode.ObjectNotFound)
        {
            throw refused;
        }

        throw refused.Code == ErrorCode.ObjectExists ? Taken(refused) : refused;
    }

    private WalRusException Taken(WalRusException? inner) =>
        new(ErrorCode.ObjectExists, $"'{fullKey}' already exists in bucket '{Options.Bucket}'.", null, inner);

    private string HashOf(GrowingBuffer content) => Options is { UsesTls: true, UnsignedPayloadOverHttps: true }
        ? S3Signature.UnsignedPayload
        : S3WireRequest.Sha256(content);
}
