using System.Text.Json;
using WalRus.Archiving;
using WalRus.Tests.Contracts;
using WalRus.Tests.Transfer;
using WalRus.WalG;

namespace WalRus.Tests.EndToEnd;

/// <summary>
/// copy and st transfer by the executable: a copy recovers what the original would, and kill -9 at random moments leaves
/// whole backups on either side. WALRUS_TEST_KILLS sets how many kills for each.
/// </summary>
public sealed class CopyTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    private static Dictionary<string, string> NoSettings { get; } = [];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task What_was_copied_and_encoded_anew_recovers_to_a_named_moment_when_the_original_is_gone()
    {
        await using var archived = await ArchivedCluster.StartAsync(17, more: new Dictionary<string, string>
        {
            ["WALG_COMPRESSION_METHOD"] = "lz4",
        });
        var cluster = archived.Cluster;
        await cluster.ExecuteAsync("CREATE TABLE orders AS SELECT n AS id, md5(n::text) AS note FROM generate_series(1, 20000) AS n");
        await archived.WalRusAsync("backup-push", cluster.DataDirectory);
        await cluster.ExecuteAsync("UPDATE orders SET note = 'changed ' || id WHERE id % 3 = 0");
        var expected = await ArchivedCluster.FingerprintAsync(cluster, "orders");
        await cluster.ExecuteAsync("SELECT pg_create_restore_point('the_moment')");
        await cluster.ExecuteAsync("DROP TABLE orders");
        await cluster.SwitchWalAsync();
        await cluster.KillAsync();

        await using var place = await TransferPlace.NewAsync("bucket");
        var target = new Dictionary<string, string>(place.Settings)
        {
            ["WALG_COMPRESSION_METHOD"] = "zstd",
            ["WALG_LIBSODIUM_KEY"] = "4bb7565dc495db165ec1e274412b1b5ee2714afbd2f5237e2faac163dadccb44",
            ["WALG_LIBSODIUM_KEY_TRANSFORM"] = "hex",
        };
        await archived.WalRusAsync("copy", "--to", await ConfigAsync("target.json", target), "-b", "LATEST", "-w", "--recode");
        Directory.Delete(archived.ArchiveFolder, recursive: true);
        archived.Environment.Remove("WALG_FILE_PREFIX");
        foreach (var (name, value) in target)
        {
            archived.Environment[name] = value;
        }

        await using var recovered = await archived.RecoverAsync("LATEST", "--target-name", "the_moment");
        Assert.Equal(expected, await ArchivedCluster.FingerprintAsync(recovered, "orders"));
    }

    [Theory]
    [InlineData("folder")]
    [InlineData("bucket")]
    public async Task A_copy_that_is_killed_lists_nothing_half_and_the_next_one_finishes(string kind)
    {
        await using var source = await GoldenAsync("folder");
        var keys = await source.KeysAsync();
        var moments = new KillMoments(2) { Since = ("Copying ", 1) };
        await using (var first = await NewAsync(kind))
        {
            await moments.MeasureAsync(["copy", .. await EndsAsync(source, first), "-w"], NoSettings);
        }

        while (moments.Next())
        {
            await using var target = await NewAsync(kind);
            string[] arguments = ["copy", .. await EndsAsync(source, target), "-w"];
            await moments.KillAsync(arguments, NoSettings);

            await AssertWholeAsync(target, source, moments.Where);
            Assert.Equal(keys, await source.KeysAsync());
            await WalRusProgram.SucceedAsync(NoSettings, arguments);
            Assert.Equal(keys, await target.KeysAsync());
            await target.AssertSameAsync(source, keys);
        }

        moments.Report($"copy to a {kind}");
    }

    [Theory]
    [InlineData("folder", "bucket")]
    [InlineData("bucket", "folder")]
    public async Task A_move_that_is_killed_leaves_whole_backups_on_both_sides_and_the_next_one_finishes(string from, string to)
    {
        await using var reference = await GoldenAsync("folder");
        var keys = await reference.KeysAsync();
        var moments = new KillMoments(2);
        await using (var source = await GoldenAsync(from))
        await using (var target = await NewAsync(to))
        {
            await moments.MeasureAsync(["st", "transfer", "files", "", .. await EndsAsync(source, target)], NoSettings);
        }

        while (moments.Next())
        {
            await using var source = await GoldenAsync(from);
            await using var target = await NewAsync(to);
            string[] arguments = ["st", "transfer", "files", "", .. await EndsAsync(source, target)];
            await moments.KillAsync(arguments, NoSettings);

            await AssertWholeAsync(source, reference, moments.Where);
            await AssertWholeAsync(target, reference, moments.Where);
            Assert.Equal(keys, (await source.KeysAsync()).Union(await target.KeysAsync()).Order(StringComparer.Ordinal));
            await WalRusProgram.SucceedAsync(NoSettings, arguments);
            Assert.Empty(await source.KeysAsync());
            Assert.Equal(keys, await target.KeysAsync());
            await target.AssertSameAsync(reference, keys);
        }

        moments.Report($"move from a {from} to a {to}");
    }

    [Fact]
    public async Task A_copy_that_is_asked_to_stop_leaves_nothing_half_and_the_next_one_finishes()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Signals of Unix.");
        await using var source = await GoldenAsync("folder");
        await using var target = await NewAsync("folder");
        string[] arguments = ["copy", .. await EndsAsync(source, target, bytesPerSecond: 1_000_000), "-w"];
        var stopped = await WalRusProgram.RunAndSignalAsync("INT", "Copying ", NoSettings, arguments);
        Assert.Equal(1, stopped.ExitCode);
        Assert.Contains("Stopped by a signal", stopped.Errors, StringComparison.Ordinal);

        // Temporary names too, which no listing shows.
        Assert.All(
            Directory.EnumerateFiles(target.Folder!.FullName, "*", SearchOption.AllDirectories),
            file => Assert.True(File.Exists(Path.Combine(source.Folder!.FullName, Path.GetRelativePath(target.Folder.FullName, file))), file));
        await AssertWholeAsync(target, source, "stopped");
        await WalRusProgram.SucceedAsync(NoSettings, ["copy", .. await EndsAsync(source, target), "-w"]);
        await target.AssertSameAsync(source, await source.KeysAsync());
    }

    /// <summary>The target at a rate that makes it take a while on a quick machine too.</summary>
    private async Task<string[]> EndsAsync(TransferPlace source, TransferPlace target, int bytesPerSecond = 20_000_000) =>
    [
        "--from", await ConfigAsync("from.json", source.Settings),
        "--to", await ConfigAsync("to.json", new(target.Settings) { ["WALG_NETWORK_RATE_LIMIT"] = $"{bytesPerSecond}" }),
    ];

    private async Task<string> ConfigAsync(string name, Dictionary<string, string> settings)
    {
        await File.WriteAllTextAsync(folder[name], JsonSerializer.Serialize(settings), Token);
        await ArchivedCluster.GiveToServerAsync(folder.FullName);
        return folder[name];
    }

    private static async Task<TransferPlace> GoldenAsync(string kind) => await GiveAsync(await TransferPlace.GoldenAsync(kind));

    private static async Task<TransferPlace> NewAsync(string kind) => await GiveAsync(await TransferPlace.NewAsync(kind));

    private static async Task<TransferPlace> GiveAsync(TransferPlace place)
    {
        if (place.Folder is not null)
        {
            await ArchivedCluster.GiveToServerAsync(place.Folder.FullName);
        }

        return place;
    }

    /// <summary>What is listed has all its objects, byte for byte, and its parents.</summary>
    private static async Task AssertWholeAsync(TransferPlace place, TransferPlace reference, string what)
    {
        await foreach (var entry in new BackupCatalog(place.Archive()).ListAsync(Token))
        {
            var objects = await reference.KeysAsync(WalGLayout.BackupObjects(entry.Name));
            var there = await place.KeysAsync(WalGLayout.BackupObjects(entry.Name));
            Assert.True(objects.AsSpan().SequenceEqual(there), what);
            await place.AssertSameAsync(reference, objects);
            await new BackupCatalog(place.Archive()).GetChainAsync(entry.Detail!, Token);
        }
    }
}
