using System.Globalization;
using System.Net;

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
            return await BodyAsync(answer, cancellationToken).ConfigureAwait(false);
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
            var (offset, total) = RangeOf(answer) ?? (0, answer.Content.Headers.ContentLength ?? 0);
            if (offset != range.Offset)
            {
                throw new WalRusException(
                    ErrorCode.StoreFailed, $"{Operation}: the server was asked for byte {range.Offset} and sent {offset}.");
            }

            etag = S3Facts.Of(answer).ETag;
            end = last is null ? total : Math.Min(total, last.Value + 1);
            return new ResumingReadStream(
                this,
                await BodyAsync(answer, cancellationToken).ConfigureAwait(false),
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

    private ValueTask<HttpResponseMessage> GetAsync(long first, long? last, CancellationToken cancellationToken)
    {
        var get = new S3WireRequest { Method = HttpMethod.Get, Key = S3Keyspace.FullKey(Options, key) };
        get.Headers.Add(("range", string.Create(CultureInfo.InvariantCulture, $"bytes={first}-{last}")));
        if (etag is not null)
        {
            get.Headers.Add(("if-match", etag));
        }

        S3Encryption.ApplyCustomerKey(get.Headers, Options);
        return requests.SendAsync(Operation, request => request.SendAsync(get), cancellationToken);
    }

    private static async ValueTask<ObjectBody> BodyAsync(HttpResponseMessage answer, CancellationToken cancellationToken) =>
        new(await answer.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false), answer);

    private static (long First, long Total)? RangeOf(HttpResponseMessage answer) =>
        answer.Content.Headers.ContentRange is { From: { } first, Length: { } total } ? (first, total) : null;
}
