using System.Globalization;
using System.Net;
using Amazon.S3.Model;

namespace WalRus.Storage.S3;

/// <summary>Reads one object, opening it again where a connection broke, as long as its ETag is the same.</summary>
internal sealed class S3Download : IResumableSource
{
    private readonly S3Requests requests;
    private readonly ObjectKey key;
    private string? etag;
    private long end;

    private S3Download(S3Requests requests, ObjectKey key)
    {
        this.requests = requests;
        this.key = key;
    }

    public string Operation => $"Reading '{key}'";

    private S3StoreOptions Options => requests.Options;

    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectNotFound"/>.</exception>
    public static async ValueTask<Stream> OpenAsync(
        S3Requests requests, ObjectKey key, ByteRange range, CancellationToken cancellationToken)
    {
        var download = new S3Download(requests, key);
        try
        {
            return await download.BeginAsync(range, cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException empty) when (S3Errors.StatusOf(empty) == HttpStatusCode.RequestedRangeNotSatisfiable)
        {
            // Nothing lies in the range: an empty object, or an offset at or past the end.
            return Stream.Null;
        }
        catch (WalRusException absent) when (absent.Code == ErrorCode.ObjectNotFound)
        {
            if (S3Errors.CodeOf(absent) != "NoSuchKey")
            {
                await requests.ConfirmBucketAsync(cancellationToken).ConfigureAwait(false);
            }

            throw new WalRusException(
                ErrorCode.ObjectNotFound, $"There is no '{key}' in {requests.Options.Location}.", null, absent);
        }
    }

    public async ValueTask<ObjectBody> OpenAtAsync(long position, CancellationToken cancellationToken)
    {
        try
        {
            var answer = await GetAsync(position, end - 1, cancellationToken).ConfigureAwait(false);
            return new ObjectBody(answer.ResponseStream, answer);
        }
        catch (WalRusException changed) when (changed.Code is ErrorCode.ObjectExists or ErrorCode.ObjectNotFound
            || S3Errors.StatusOf(changed) == HttpStatusCode.RequestedRangeNotSatisfiable)
        {
            throw new WalRusException(
                ErrorCode.ObjectCorrupt,
                $"'{key}' was replaced or deleted while it was read (at byte {position}).",
                "Read it again from the start.",
                changed);
        }
    }

    public WalRusException Translate(Exception failure) => S3Errors.Translate(Operation, failure, Options);

    private async ValueTask<Stream> BeginAsync(ByteRange range, CancellationToken cancellationToken)
    {
        long? last = range.Length is { } length ? checked(range.Offset + length - 1) : null;
        var answer = await GetAsync(range.Offset, last, cancellationToken).ConfigureAwait(false);
        try
        {
            // A server that does not know ranges answers with the whole object.
            var (offset, total) = ParseContentRange(answer.ContentRange) ?? (0, answer.ContentLength);
            if (offset != range.Offset)
            {
                throw new WalRusException(
                    ErrorCode.StoreFailed, $"{Operation}: the server was asked for byte {range.Offset} and sent {offset}.");
            }

            etag = answer.ETag;
            end = last is null ? total : Math.Min(total, last.Value + 1);
            return new ResumingReadStream(
                this,
                new ObjectBody(answer.ResponseStream, answer),
                (range.Offset, end - range.Offset),
                Options.Retry,
                Options.RequestTimeout);
        }
        catch
        {
            answer.Dispose();
            throw;
        }
    }

    private ValueTask<GetObjectResponse> GetAsync(long first, long? last, CancellationToken cancellationToken) =>
        requests.SendAsync(
            Operation,
            request =>
            {
                // Always a range: without one the SDK hashes every byte with MD5 on its way.
                var range = string.Create(CultureInfo.InvariantCulture, $"bytes={first}-{last}");
                var get = new GetObjectRequest
                {
                    BucketName = Options.Bucket,
                    Key = S3Keyspace.FullKey(Options, key),
                    ByteRange = new Amazon.S3.Model.ByteRange(range),
                    EtagToMatch = etag,
                };
                S3Encryption.ApplyTo(get, Options);
                return request.Client.GetObjectAsync(get, request.Token);
            },
            cancellationToken);

    /// <param name="text">"bytes 10-19/1000".</param>
    private static (long First, long Total)? ParseContentRange(string? text) =>
        System.Net.Http.Headers.ContentRangeHeaderValue.TryParse(text, out var range)
        && range is { From: { } first, Length: { } total }
            ? (first, total)
            : null;
}
