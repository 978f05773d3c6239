using System.Globalization;
using System.Security.Cryptography;
using WalRus.Backup;
using WalRus.Compression;
using WalRus.Configuration;
using WalRus.Delta;
using WalRus.Storage;
using WalRus.Streaming;
using WalRus.Tests.Contracts;
using WalRus.Verification;
using WalRus.WalG;

namespace WalRus.Tests.Backup;

/// <summary>
/// A chain of three backups of a real server, each of its objects flipped and cut at random places: what is restored is the
/// truth to the byte, or nothing is. WALRUS_TEST_DAMAGES says how many damages an object gets (else one).
/// </summary>
public sealed class DamagedChainTests : IDisposable
{
    private static readonly int Damages = int.Parse(
        Environment.GetEnvironmentVariable("WALRUS_TEST_DAMAGES") ?? "1", CultureInfo.InvariantCulture);

    private readonly BackupPushFixture fixture = new();
    private readonly TemporaryFolder restored = TemporaryFolder.InMemory();
    private readonly NativeBufferPool buffers = new(64 << 20);
    private SortedDictionary<string, string> truth = [];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        buffers.Dispose();
        restored.Dispose();
        fixture.Dispose();
    }

    /// <summary>Codecs without a checksum of their own, and one that has it; both formats; as read and as sent.</summary>
    [Theory]
    [InlineData("none", IncrementFormat.Wi1, false)]
    [InlineData("none", IncrementFormat.Native, true)]
    [InlineData("lz4", IncrementFormat.Native, false)]
    [InlineData("brotli", IncrementFormat.Wi1, true)]
    public async Task A_flipped_or_cut_object_of_a_real_chain_is_an_error_or_does_no_harm(string codec, IncrementFormat format, bool isRemote)
    {
        var seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        var last = await MakeAsync(codec, format, isRemote);
        truth = await RestoreAsync(last);
        var keys = (await fixture.Store.ListAsync(new ListRequest { Folder = WalGLayout.BackupFolder, Recursive = true })).Select(entry => entry.Key).ToList();
        Assert.True(keys.Count > 12, $"{keys.Count}");
        var (harmless, refused) = (0, 0);
        var random = new Random(seed);
        foreach (var key in keys)
        {
            var path = fixture.Folder["archive", key.ToString()];
            var whole = await File.ReadAllBytesAsync(path, Token);
            for (var round = 0; round < Damages; round++)
            {
                var (damaged, how) = Damaged(whole, random);
                await File.WriteAllBytesAsync(path, damaged, Token);
                var isHarmless = await IsHarmlessAsync(last, $"seed {seed}, {key} {how}");
                (harmless, refused) = (harmless + (isHarmless ? 1 : 0), refused + (isHarmless ? 0 : 1));
            }

            await File.WriteAllBytesAsync(path, whole, Token);
        }

        TestContext.Current.TestOutputHelper!.WriteLine($"{keys.Count} objects, {refused} refused, {harmless} harmless");
        Assert.Equal(truth, await RestoreAsync(last));
    }

    private static (byte[] Bytes, string How) Damaged(byte[] whole, Random random)
    {
        var at = random.Next(whole.Length);
        if (random.Next(4) == 0)
        {
            return (whole[..at], $"cut to {at}");
        }

        var damaged = (byte[])whole.Clone();
        var mask = (byte)(1 << random.Next(8));
        damaged[at] ^= mask;
        return (damaged, $"byte {at} of {whole.Length} flipped by {mask:X2}");
    }

    private async Task<bool> IsHarmlessAsync(BackupName name, string how)
    {
        try
        {
            var made = await RestoreAsync(name);
            var other = made.Except(truth).Concat(truth.Except(made)).Take(3).ToList();
            Assert.True(other.Count == 0, $"{how}: {string.Join(", ", other)}");
            return true;
        }
        catch (WalRusException refused)
        {
            Assert.False(string.IsNullOrWhiteSpace(refused.Message) || refused.Code == ErrorCode.Unexpected, $"{how}: {refused}");
            Assert.False(Directory.Exists(restored["data"]), how);
            return false;
        }
    }

    /// <summary>Every file's hash by its name, every folder with none.</summary>
    private async Task<SortedDictionary<string, string>> RestoreAsync(BackupName name)
    {
        var destination = restored["data"];
        var options = new BackupFetchOptions { DownloadConcurrency = 2, Fsync = false };
        await new BackupFetch(fixture.Archive, options, buffers, fixture.Log)
            .RunAsync(new BackupFetchRequest { Name = name, Destination = destination }, Token);
        var found = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var entry in new DirectoryInfo(destination).EnumerateFileSystemInfos("*", SearchOption.AllDirectories))
        {
            found[Path.GetRelativePath(destination, entry.FullName)] =
                entry is FileInfo ? Convert.ToHexString(SHA256.HashData(await File.ReadAllBytesAsync(entry.FullName, Token))) : "";
        }

        Directory.Delete(destination, recursive: true);
        return found;
    }

    private async Task<BackupName> MakeAsync(string codec, IncrementFormat format, bool isRemote)
    {
        fixture.Codec = Codecs.Create(codec);
        fixture.Options = fixture.Options with { TarSizeThresholdBytes = 16 << 20, Delta = new BackupDeltaOptions { MaxSteps = 5, Format = format } };
        await using var cluster = await PostgresCluster.StartAsync(new()
        {
            Major = 17,
            Settings = new Dictionary<string, string> { ["summarize_wal"] = isRemote ? "on" : "off" },
        });
        await cluster.ExecuteAsync("CREATE TABLE t AS SELECT n, md5(n::text) AS x FROM generate_series(1, 20000) AS n");
        var request = isRemote ? new BackupPushRequest() : BackupPushFixture.RequestFor(cluster);
        var made = await fixture.PushAsync(cluster, request);
        foreach (var number in new[] { 5000, 15000 })
        {
            await cluster.ExecuteAsync($"UPDATE t SET x = 'changed' WHERE n BETWEEN {number} AND {number + 20}; CREATE TABLE t{number} AS SELECT 1 AS n");
            await cluster.ExecuteAsync("CHECKPOINT");
            made = await fixture.PushAsync(cluster, request);
            Assert.NotNull(made.Delta);
        }

        return made.Backup.Name;
    }
}
