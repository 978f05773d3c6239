using Amazon.S3.Model;

namespace WalRus.Tests.EndToEnd;

/// <summary>A place of one test's own for archives: a folder or a bucket of the real S3 server, seen from outside walrus.</summary>
internal sealed class ArchivePlace : IAsyncDisposable
{
    private readonly TemporaryFolder? folder;
    private readonly S3Bucket? bucket;

    private ArchivePlace(TemporaryFolder? folder, S3Bucket? bucket, IReadOnlyDictionary<string, string> settings)
    {
        this.folder = folder;
        this.bucket = bucket;
        Settings = settings;
    }

    /// <summary>The settings that name this place.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; }

    /// <param name="kind">"folder" or "bucket".</param>
    public static async Task<ArchivePlace> NewAsync(string kind)
    {
        if (kind == "bucket")
        {
            var bucket = await S3Server.NewBucketAsync();
            return new ArchivePlace(null, bucket, ArchivedCluster.SettingsOf(bucket));
        }

        var folder = new TemporaryFolder();
        await ArchivedCluster.GiveToServerAsync(folder.FullName);
        return new ArchivePlace(folder, null, new Dictionary<string, string> { ["WALG_FILE_PREFIX"] = folder.FullName });
    }

    /// <summary>The keys that a listing shows, below the prefix; temporary names are hidden by wal-g and by WalRus.</summary>
    public async Task<string[]> KeysAsync()
    {
        if (folder is not null)
        {
            return [.. Directory.EnumerateFiles(folder.FullName, "*", SearchOption.AllDirectories)
                .Select(path => Path.GetRelativePath(folder.FullName, path).Replace('\\', '/'))
                .Where(key => !key.Contains(".tmp.", StringComparison.Ordinal))];
        }

        var found = await S3Server.Client.ListObjectsV2Async(new ListObjectsV2Request { BucketName = bucket!.Name });
        Assert.False(found.IsTruncated == true, "too many objects for this helper");
        return [.. (found.S3Objects ?? []).Select(one => one.Key["cluster/".Length..])];
    }

    /// <summary>Removes every object whose key begins so, also what no listing shows.</summary>
    public async Task RemoveAsync(string prefix = "")
    {
        if (folder is not null)
        {
            foreach (var path in Directory.EnumerateFiles(folder.FullName, "*", SearchOption.AllDirectories)
                .Where(path => Path.GetRelativePath(folder.FullName, path).StartsWith(prefix, StringComparison.Ordinal)))
            {
                File.Delete(path);
            }

            return;
        }

        foreach (var key in (await KeysAsync()).Where(key => key.StartsWith(prefix, StringComparison.Ordinal)))
        {
            await S3Server.Client.DeleteObjectAsync(bucket!.Name, $"cluster/{key}");
        }
    }

    /// <summary>Puts every file of a folder there, under its path.</summary>
    public async Task FillAsync(string source)
    {
        var files = Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories);
        await Parallel.ForEachAsync(files, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (file, cancellationToken) =>
        {
            var key = Path.GetRelativePath(source, file).Replace('\\', '/');
            if (folder is not null)
            {
                Directory.CreateDirectory(Path.GetDirectoryName(folder[key])!);
                File.Copy(file, folder[key], overwrite: true);
            }
            else
            {
                await S3Server.Client.PutObjectAsync(
                    new PutObjectRequest { BucketName = bucket!.Name, Key = $"cluster/{key}", FilePath = file }, cancellationToken);
            }
        });
        if (folder is not null)
        {
            await ArchivedCluster.GiveToServerAsync(folder.FullName);
        }
    }

    public async ValueTask DisposeAsync()
    {
        folder?.Dispose();
        if (bucket is not null)
        {
            await bucket.DisposeAsync();
        }
    }
}
