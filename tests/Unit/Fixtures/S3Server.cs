using System.Diagnostics;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using WalRus.Storage.S3;

namespace WalRus.Tests;

/// <summary>
/// The real S3 server of the tests: the Ceph gateway that tests/servers/s3.sh installs and starts, once for the whole
/// test process. Each test class takes a bucket of its own.
/// </summary>
internal static class S3Server
{
    private const string ScriptPath = "tests/servers/s3.sh";
    private static readonly TimeSpan StartLimit = TimeSpan.FromMinutes(8);
    private static readonly Lazy<Task<bool>> Started = new(StartAsync);
    private static string whyNot = "";
    private static AmazonS3Client? client;

    public static Uri Endpoint { get; private set; } = null!;

    /// <summary>The same server over TLS, with a certificate that <see cref="CaFile"/> vouches for.</summary>
    public static Uri TlsEndpoint { get; private set; } = null!;

    public static string CaFile { get; private set; } = null!;

    public static S3Keys Keys { get; } = new("testaccesskey", "testsecretkey");

    /// <summary>A client for preparing and inspecting, apart from the store under test.</summary>
    public static AmazonS3Client Client => client!;

    /// <summary>A new bucket; skips the test where no server can be had.</summary>
    public static async Task<S3Bucket> NewBucketAsync()
    {
        Assert.SkipUnless(await Started.Value, whyNot);
        var name = $"walrus-{Guid.NewGuid():N}";
        await Client.PutBucketAsync(new PutBucketRequest { BucketName = name });
        return new S3Bucket(name);
    }

    private static async Task<bool> StartAsync()
    {
        var script = Path.Combine(Repository.Root, ScriptPath);
        if (!OperatingSystem.IsLinux() || !File.Exists(script))
        {
            whyNot = $"{ScriptPath} can start an S3 server on Linux only.";
            return false;
        }

        // Says where the server is at once when it runs already.
        var (exitCode, output) = await RunAsync(script);
        if (exitCode != 0 || !output.Contains("ready ", StringComparison.Ordinal))
        {
            whyNot = $"{ScriptPath} start ended with {exitCode}: {output}";
            return false;
        }

        var words = output[output.LastIndexOf("ready ", StringComparison.Ordinal)..].Split(
            ' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        Endpoint = new Uri(words.First(word => word.StartsWith("http://", StringComparison.Ordinal)));
        TlsEndpoint = new Uri(words.First(word => word.StartsWith("https://", StringComparison.Ordinal)));
        CaFile = words.First(word => word.StartsWith("ca=", StringComparison.Ordinal))["ca=".Length..];
        client = NewClient();
        return true;
    }

    private static AmazonS3Client NewClient() => new(
        new BasicAWSCredentials(Keys.AccessKeyId, Keys.SecretAccessKey),
        new AmazonS3Config
        {
            ServiceURL = Endpoint.AbsoluteUri,
            ForcePathStyle = true,
            AuthenticationRegion = "us-east-1",
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            Timeout = TimeSpan.FromSeconds(60),
        });

    private static async Task<(int ExitCode, string Output)> RunAsync(string script)
    {
        // The server outlives the script and would hold its pipes open, so the output goes through a file.
        var log = Path.GetTempFileName();
        try
        {
            using var process = Process.Start(new ProcessStartInfo("bash")
            {
                ArgumentList = { "-c", "exec bash \"$0\" start >\"$1\" 2>&1 </dev/null", script, log },
            })!;
            using var limit = new CancellationTokenSource(StartLimit);
            try
            {
                await process.WaitForExitAsync(limit.Token);
                return (process.ExitCode, await File.ReadAllTextAsync(log));
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
                return (-1, $"not ready after {StartLimit.TotalMinutes} minutes");
            }
        }
        finally
        {
            File.Delete(log);
        }
    }
}

/// <summary>A bucket that is emptied and removed with the test that made it.</summary>
internal sealed record S3Bucket(string Name) : IAsyncDisposable
{
    public S3StoreOptions Options(string prefix = "") => new()
    {
        Bucket = Name,
        Prefix = prefix,
        Endpoint = S3Server.Endpoint.AbsoluteUri,
        ForcePathStyle = true,
        Keys = S3Server.Keys,
    };

    public async Task<IReadOnlyList<string>> UnfinishedUploadsAsync()
    {
        var answer = await S3Server.Client.ListMultipartUploadsAsync(new ListMultipartUploadsRequest { BucketName = Name });
        return [.. (answer.MultipartUploads ?? []).Select(upload => $"upload {upload.UploadId} of {upload.Key}")];
    }

    public async ValueTask DisposeAsync()
    {
        ListVersionsResponse page;
        do
        {
            page = await S3Server.Client.ListVersionsAsync(new ListVersionsRequest { BucketName = Name });
            if (page.Versions is { Count: > 0 } versions)
            {
                await S3Server.Client.DeleteObjectsAsync(new DeleteObjectsRequest
                {
                    BucketName = Name,
                    Objects = [.. versions.Select(one => new KeyVersion { Key = one.Key, VersionId = one.VersionId })],
                });
            }
        }
        while (page.IsTruncated == true);

        var uploads = await S3Server.Client.ListMultipartUploadsAsync(new ListMultipartUploadsRequest { BucketName = Name });
        foreach (var upload in uploads.MultipartUploads ?? [])
        {
            await S3Server.Client.AbortMultipartUploadAsync(Name, upload.Key, upload.UploadId);
        }

        await S3Server.Client.DeleteBucketAsync(Name);
    }
}
