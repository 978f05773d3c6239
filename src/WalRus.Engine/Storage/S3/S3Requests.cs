using System.Net;
using Amazon.S3;
using Amazon.S3.Model;

namespace WalRus.Storage.S3;

/// <summary>
/// Sends requests to one bucket: makes the client when it is first needed, guards each try against stalling, repeats what
/// failed for a passing reason and says what went wrong in the engine's words.
/// </summary>
internal sealed class S3Requests(S3StoreOptions options) : IAsyncDisposable
{
    private readonly SemaphoreSlim building = new(1, 1);
    private S3Access? access;
    private volatile bool bucketSeen;

    public S3StoreOptions Options => options;

    /// <summary>Sends until it succeeds or fails for good.</summary>
    /// <param name="operation">"Putting 'x'".</param>
    /// <param name="send">One try, through its client and under its guard.</param>
    public ValueTask<T> SendAsync<T>(
        string operation, Func<S3Try, Task<T>> send, CancellationToken cancellationToken) =>
        SendAsync(operation, send, (options.Retry, options.RequestTimeout), cancellationToken);

    public async ValueTask<T> SendAsync<T>(
        string operation,
        Func<S3Try, Task<T>> send,
        (RetryPolicy Retry, TimeSpan Stall) limits,
        CancellationToken cancellationToken)
    {
        try
        {
            return await SendUnexplainedAsync(operation, send, limits, cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException refused) when (S3Errors.StatusOf(refused) == HttpStatusCode.MethodNotAllowed)
        {
            // Ceph's word for listing a bucket that is not there.
            await ConfirmBucketAsync(cancellationToken).ConfigureAwait(false);
            throw;
        }
        catch (WalRusException expired) when (
            expired.Code == ErrorCode.StoreCredentialsExpired && access?.RenewCredentials() == true)
        {
            // The server's clock runs ahead, or the credentials were taken back before their time.
            return await SendUnexplainedAsync(operation, send, limits, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Makes sure that "not found" without a reason means the object: a HEAD has no body to say that the bucket is
    /// missing, and a wrong address answers 404 to everything. Taken for a missing segment that would end a recovery early.
    /// </summary>
    public async ValueTask ConfirmBucketAsync(CancellationToken cancellationToken)
    {
        if (bucketSeen)
        {
            return;
        }

        try
        {
            await SendUnexplainedAsync(
                $"Looking for bucket '{options.Bucket}'",
                request => request.Client.HeadBucketAsync(
                    new HeadBucketRequest { BucketName = options.Bucket }, request.Token),
                (options.Retry, options.RequestTimeout),
                cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException absent) when (absent.Code is ErrorCode.ObjectNotFound or ErrorCode.StoreNotFound)
        {
            throw new WalRusException(
                ErrorCode.StoreNotFound,
                $"There is no bucket '{options.Bucket}' at {options.EndpointUri?.Authority ?? "AWS"}.",
                "Create it, or correct WALG_S3_PREFIX or AWS_ENDPOINT.",
                absent);
        }
        catch (WalRusException denied) when (denied.Code == ErrorCode.StoreAccessDenied)
        {
            // It is there, and this account may not look at it as a whole.
            bucketSeen = true;
        }
    }

    public ValueTask DisposeAsync()
    {
        access?.Dispose();
        building.Dispose();
        return ValueTask.CompletedTask;
    }

    private async ValueTask<T> SendUnexplainedAsync<T>(
        string operation,
        Func<S3Try, Task<T>> send,
        (RetryPolicy Retry, TimeSpan Stall) limits,
        CancellationToken cancellationToken)
    {
        var result = await limits.Retry.RunAsync(
            operation,
            async (_, token) =>
            {
                using var guard = new StallGuard(limits.Stall, token);
                return await TryOnceAsync(operation, send, guard).ConfigureAwait(false);
            },
            cancellationToken).ConfigureAwait(false);
        bucketSeen = true;
        return result;
    }

    private async ValueTask<T> TryOnceAsync<T>(
        string operation, Func<S3Try, Task<T>> send, StallGuard guard)
    {
        try
        {
            var ready = await AccessAsync(guard.Token).ConfigureAwait(false);
            return await send(new S3Try(ready, guard)).ConfigureAwait(false);
        }
        catch (Exception) when (guard.HasStalled)
        {
            throw S3Errors.Stalled(operation, guard.Limit);
        }
        catch (Exception failure) when (!guard.Token.IsCancellationRequested && S3Errors.IsOfTheWorld(failure))
        {
            throw S3Errors.Translate(operation, failure, options);
        }
        catch (Exception failure) when (failure is not OperationCanceledException && guard.Token.IsCancellationRequested)
        {
            // What breaks because the caller has left is the caller's leaving.
            throw new OperationCanceledException(failure.Message, failure, guard.Token);
        }
    }

    private async ValueTask<S3Access> AccessAsync(CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref access) is { } ready)
        {
            return ready;
        }

        await building.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return access ??= await S3ClientBuilder.BuildAsync(options, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            building.Release();
        }
    }
}

/// <summary>One try of a request.</summary>
/// <param name="Access">Through which to send.</param>
/// <param name="Guard">To be told of bytes that move.</param>
internal readonly record struct S3Try(S3Access Access, StallGuard Guard)
{
    public AmazonS3Client Client => Access.Client;

    public CancellationToken Token => Guard.Token;

    /// <summary>Sends a request past the SDK.</summary>
    public Task<HttpResponseMessage> SendAsync(S3WireRequest request) => Access.Wire.SendAsync(request, Guard);
}
