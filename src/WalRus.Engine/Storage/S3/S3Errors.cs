using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using Amazon.Runtime;
using Amazon.Runtime.Internal;

namespace WalRus.Storage.S3;

/// <summary>
/// What the SDK and our own requests throw, as the engine's errors. A server's own message is passed on only when it is a plain sentence; it
/// can hold the whole signed request otherwise.
/// </summary>
internal static class S3Errors
{
    private const int MaxMessageLength = 300;

    /// <param name="operation">"Putting 'x'".</param>
    /// <param name="failure">What was thrown.</param>
    /// <param name="store">For hints: the bucket, the region, the endpoint.</param>
    public static WalRusException Translate(string operation, Exception failure, S3StoreOptions store)
    {
        for (var inner = failure; inner is not null; inner = inner.InnerException)
        {
            if (AnswerOf(inner) is { } answer)
            {
                return FromAnswer(operation, answer, inner, store);
            }

            switch (inner)
            {
                case WalRusException known:
                    return known;
                case AuthenticationException:
                    return new WalRusException(
                        ErrorCode.StoreUnreachable,
                        $"{operation} failed: the certificate of {Host(store)} is not trusted: {inner.Message}",
                        "If the store has a certificate of your own authority, name its PEM file in S3_CA_CERT_FILE.",
                        failure);
            }
        }

        return FromNetwork(operation, failure, store);
    }

    /// <summary>True for what the network or the server can cause; all else is a fault of ours and passes unchanged.</summary>
    public static bool IsOfTheWorld(Exception failure) => failure
        is S3Refusal or AmazonServiceException or AmazonClientException or HttpRequestException or IOException or SocketException
        or TimeoutException or OperationCanceledException or AuthenticationException;

    public static WalRusException Stalled(string operation, TimeSpan limit) => new(
        ErrorCode.DeadlineExceeded,
        $"{operation}: no byte moved for {limit.TotalSeconds:0.#} s.",
        "Look at the store's health and the way to it.") { IsTransient = true };

    /// <summary>The status code when <paramref name="failure"/> is a server's answer, else null.</summary>
    public static HttpStatusCode? StatusOf(Exception failure) =>
        AnswerOf(failure.InnerException)?.Status;

    /// <summary>The server's own code ("NoSuchKey") when <paramref name="failure"/> is its answer, else null.</summary>
    public static string? CodeOf(Exception failure) =>
        AnswerOf(failure.InnerException)?.Code;

    private static WalRusException FromAnswer(string operation, Answer answer, Exception inner, S3StoreOptions store)
    {
        var (code, hint, transient) = Classify(answer, store);
        return new WalRusException(code, $"{operation} failed: {Describe(answer)}", hint, inner)
        {
            IsTransient = transient,
            RetryAfter = Wait(answer.RetryAfter),
        };
    }

    private static (ErrorCode Code, string? Hint, bool IsTransient) Classify(Answer answer, S3StoreOptions store) => answer.Code switch
    {
        "NoSuchBucket" => (
            ErrorCode.StoreNotFound, $"Create the bucket '{store.Bucket}', or correct WALG_S3_PREFIX or AWS_ENDPOINT.", false),
        "NoSuchKey" => (ErrorCode.ObjectNotFound, null, false),
        "NoSuchUpload" => (
            ErrorCode.StoreFailed, "Something removed the unfinished upload (a lifecycle rule?); write the object again.", false),
        "PreconditionFailed" => (ErrorCode.ObjectExists, null, false),
        "AccessDenied" or "AllAccessDisabled" or "AccountProblem" => (
            ErrorCode.StoreAccessDenied,
            $"Allow this account s3:GetObject, PutObject, DeleteObject, ListBucket and AbortMultipartUpload in {store.Location}.",
            false),
        "InvalidAccessKeyId" or "SignatureDoesNotMatch" or "InvalidSecurity" or "AuthFailure" => (
            ErrorCode.StoreAccessDenied,
            "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and that they belong to this endpoint.",
            false),
        "ExpiredToken" or "ExpiredTokenException" or "TokenRefreshRequired" or "InvalidToken" => (
            ErrorCode.StoreCredentialsExpired, "Renew the temporary credentials (AWS_SESSION_TOKEN, SSO, role).", false),
        "RequestTimeTooSkewed" or "RequestExpired" => (
            ErrorCode.StoreClockSkewed, "Set this machine's clock (NTP); S3 takes requests within 15 minutes of its own.", false),
        "PermanentRedirect" or "AuthorizationHeaderMalformed" or "IllegalLocationConstraintException"
            or "TemporaryRedirect" or "301" => (ErrorCode.StoreFailed, RegionHint(answer), false),
        "SlowDown" or "Throttling" or "ThrottlingException" or "RequestLimitExceeded" or "TooManyRequests"
            or "BandwidthLimitExceeded" or "ServiceUnavailable" => (
            ErrorCode.StoreThrottled, "The store asks for fewer requests; lower WALG_UPLOAD_CONCURRENCY.", true),
        "RequestTimeout" or "InternalError" or "OperationAborted" or "ConditionalRequestConflict" or "IncompleteBody"
            or "BadDigest" or "XAmzContentSHA256Mismatch" => (ErrorCode.StoreFailed, null, true),
        "InvalidObjectState" => (
            ErrorCode.StoreFailed, "The object is in an archive storage class: restore it first (s3api restore-object).", false),
        "QuotaExceeded" => (ErrorCode.StoreFailed, "Raise the quota of the bucket or account, or delete old backups.", false),
        "InvalidStorageClass" => (ErrorCode.StoreFailed, "Correct S3_STORAGE_CLASS.", false),
        _ => ClassifyStatus(answer, store),
    };

    private static (ErrorCode Code, string? Hint, bool IsTransient) ClassifyStatus(
        Answer answer, S3StoreOptions store) => (int)answer.Status switch
    {
        301 or 302 or 307 or 308 => (ErrorCode.StoreFailed, RegionHint(answer), false),
        401 or 403 => (
            ErrorCode.StoreAccessDenied,
            $"Check the credentials and what they may do in {store.Location}.",
            false),
        404 => (ErrorCode.ObjectNotFound, null, false),
        408 => (ErrorCode.StoreFailed, null, true),
        412 => (ErrorCode.ObjectExists, null, false),
        429 or 503 => (
            ErrorCode.StoreThrottled, "The store asks for fewer requests; lower WALG_UPLOAD_CONCURRENCY.", true),
        501 => (
            ErrorCode.StoreFailed, "This server does not know the request; see docs/WALG-COMPATIBILITY.md for what is used.", false),
        // A success whose body makes no sense was garbled on its way.
        >= 500 or (>= 200 and < 300) => (ErrorCode.StoreFailed, null, true),
        _ => (ErrorCode.StoreFailed, null, false),
    };

    private static WalRusException FromNetwork(string operation, Exception failure, S3StoreOptions store) => failure switch
    {
        // The SDK's own: credentials that no source gave, a request it refuses to build.
        AmazonClientException { InnerException: null or AmazonClientException } => new WalRusException(
            ErrorCode.StoreAccessDenied,
            $"{operation} failed: {failure.Message}",
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or give the machine a role.",
            failure),
        // Credentials that had to be fetched, and could not: that host is not the store's.
        AmazonClientException => new WalRusException(
            ErrorCode.StoreUnreachable,
            $"{operation} failed: {failure.Message}: {Innermost(failure)}",
            "Check the way to the service that gives the credentials (STS, SSO, instance metadata).",
            failure) { IsTransient = true },
        _ => new WalRusException(
            ErrorCode.StoreUnreachable,
            $"{operation} failed: {Connection(failure, store)}",
            "Check AWS_ENDPOINT, AWS_REGION, the network, DNS and HTTPS_PROXY.",
            failure) { IsTransient = true },
    };

    /// <summary>What broke, with whom: .NET names the host when it could not connect at all.</summary>
    private static string Connection(Exception failure, S3StoreOptions store)
    {
        for (var inner = failure; inner is not null; inner = inner.InnerException)
        {
            if (inner is HttpRequestException { HttpRequestError: not HttpRequestError.Unknown } connecting)
            {
                return connecting.Message;
            }
        }

        return $"{Innermost(failure)} ({Host(store)})";
    }

    private static string Innermost(Exception failure)
    {
        while (failure.InnerException is { } inner and not SocketException { SocketErrorCode: SocketError.OperationAborted })
        {
            failure = inner;
        }

        return failure.Message;
    }

    private static string Host(S3StoreOptions store) => store.EndpointUri?.Authority ?? "AWS";

    private static string Describe(Answer answer)
    {
        var code = answer.Code is { Length: > 0 } given ? given : "no code";
        var message = answer.Sentence?.Trim() ?? "";
        var shown = message.Length == 0 || message.Length > MaxMessageLength || message.Contains('<', StringComparison.Ordinal)
            ? ""
            : $": {message}";
        return $"{code} (HTTP {(int)answer.Status}){shown}";
    }

    private static string RegionHint(Answer answer) => answer.BucketRegion is { Length: > 0 } region
        ? $"The bucket is in another region: set AWS_REGION={region}."
        : "The bucket is in another region or at another endpoint: set AWS_REGION or AWS_ENDPOINT.";

    private static TimeSpan? Wait(string? retryAfter)
    {
        if (int.TryParse(retryAfter, System.Globalization.NumberStyles.None, null, out var seconds))
        {
            return TimeSpan.FromSeconds(seconds);
        }

        return DateTimeOffset.TryParse(retryAfter, System.Globalization.CultureInfo.InvariantCulture, out var when)
            && when > DateTimeOffset.UtcNow ? when - DateTimeOffset.UtcNow : null;
    }

    private static Answer? AnswerOf(Exception? failure) => failure switch
    {
        S3Refusal refusal => new Answer(
            refusal.StatusCode, refusal.ErrorCode, refusal.Sentence, refusal.RetryAfter, refusal.BucketRegion),
        AmazonServiceException service when service.StatusCode != 0 || service.ErrorCode is not null => new Answer(
            service.StatusCode,
            service.ErrorCode,
            service is Amazon.S3.AmazonS3Exception { ResponseBody.Length: > 0 } ? null : service.Message,
            Header(service, "Retry-After"),
            Header(service, "x-amz-bucket-region")),
        _ => null,
    };

    private static string? Header(AmazonServiceException answer, string name)
    {
        for (Exception? inner = answer; inner is not null; inner = inner.InnerException)
        {
            if (inner is HttpErrorResponseException { Response: { } response } && response.IsHeaderPresent(name))
            {
                return response.GetHeaderValue(name);
            }
        }

        return null;
    }

    /// <summary>A server's answer, whoever received it.</summary>
    private sealed record Answer(
        HttpStatusCode Status, string? Code, string? Sentence, string? RetryAfter, string? BucketRegion);
}
