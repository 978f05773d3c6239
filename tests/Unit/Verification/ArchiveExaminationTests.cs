using WalRus.Configuration;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.Tests.Cli;
using WalRus.Verification;
using WalRus.WalG;

namespace WalRus.Tests.Verification;

/// <summary>Reading everything: nothing is wrong with what real tools wrote, and no damage passes.</summary>
public sealed class ArchiveExaminationTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Nothing_is_wrong_with_what_wal_g_and_wal_rus_wrote()
    {
        foreach (var golden in Full ? GoldenArchive.All() : GoldenArchive.InRepository())
        {
            using var folder = new TemporaryFolder();
            var environment = GoldenFolder.Unpack(golden, folder);
            var (findings, summary) = await ExamineAsync(environment);
            Assert.True(findings.Count == 0, $"{golden.Name}:\n{string.Join('\n', findings)}");
            Assert.Equal(golden.Facts.GetProperty("backups").GetArrayLength(), summary.BackupCount);
            Assert.True(summary.SegmentCount > 2 && summary.ObjectCount > summary.SegmentCount + 2, $"{golden.Name}: {summary}");
        }
    }

    /// <summary>Damages many objects at once and expects a finding for each.</summary>
    [Theory]
    [MemberData(nameof(DamagedArchives))]
    public async Task A_flipped_byte_or_a_cut_in_any_object_is_found(string name, string objects, bool cuts)
    {
        var golden = GoldenArchive.Open(name);
        using var folder = new TemporaryFolder();
        var environment = GoldenFolder.Unpack(golden, folder);
        await AddRareObjectsAsync(environment);
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        var damaged = Directory.EnumerateFiles(folder["archive"], "*", SearchOption.AllDirectories)
            .Where(file => KindOf(file) == objects).ToList();
        Assert.NotEmpty(damaged);
        await using var engine = Open(environment);
        var originals = new Dictionary<string, byte[]?>();
        foreach (var file in damaged)
        {
            originals[file] = await ContentAsync(engine, folder["archive"], file);
            Harm(file, cuts, random);
        }

        var (findings, _) = await ExamineAsync(environment);
        var found = findings.Select(finding => finding.Object).ToHashSet();
        foreach (var file in damaged.Where(file => !found.Contains(Path.GetRelativePath(folder["archive"], file))))
        {
            // Some bits of a compressed stream mean nothing: what is read is what was written. Small files without a checksum may lie.
            var isHarmless = originals[file] is { } original && (await ContentAsync(engine, folder["archive"], file))?.SequenceEqual(original) == true;
            Assert.True(
                !cuts && (isHarmless || (!HasChecksums(golden) && objects == "wal" && !WalFileName.TryParse(Path.GetFileNameWithoutExtension(file), out _))),
                $"seed {seed}: {file}\n{string.Join('\n', findings)}");
        }

        Assert.All(findings, finding => Assert.False(string.IsNullOrWhiteSpace(finding.Action)));
    }

    public static TheoryData<string, string, bool> DamagedArchives()
    {
        var all = new TheoryData<string, string, bool>();
        foreach (var golden in Full ? GoldenArchive.All() : GoldenArchive.InRepository())
        {
            foreach (var kind in new[] { "wal", "tars", "lists", "sentinels" })
            {
                all.Add(golden.Name, kind, true);
                if (kind != "tars" || HasChecksums(golden))
                {
                    all.Add(golden.Name, kind, false);
                }
            }
        }

        return all;
    }

    private static readonly bool Full = Environment.GetEnvironmentVariable("WALRUS_TEST_FULL") == "1";

    /// <summary>Brotli, lzma, none and WAL-RUS' zstd have none: there only WAL, lists and pages with checksums tell.</summary>
    private static bool HasChecksums(GoldenArchive golden) =>
        new[] { "-lz4", "-pgp", "-libsodium" }.Any(method => golden.Name.Contains(method, StringComparison.Ordinal))
        || (golden.IsWalG && golden.Name.Contains("-zstd", StringComparison.Ordinal));

    private static string KindOf(string file) => Path.GetFileName(Path.GetDirectoryName(file)) switch
    {
        "wal_005" => "wal",
        "tar_partitions" => "tars",
        "basebackups_005" => "sentinels",
        _ => "lists",
    };

    /// <returns>Null for a document, or what cannot be decoded.</returns>
    private static async Task<byte[]?> ContentAsync(WalRusEngine engine, string root, string file)
    {
        if (file.EndsWith(".json", StringComparison.Ordinal))
        {
            return null;
        }

        try
        {
            await using var source = await engine.Archive.OpenReadAsync(ObjectKey.Parse(Path.GetRelativePath(root, file)), Token);
            var content = new MemoryStream();
            await source.CopyToAsync(content, Token);
            return content.ToArray();
        }
        catch (WalRusException)
        {
            return null;
        }
    }

    private static void Harm(string file, bool cuts, Random random)
    {
        var bytes = File.ReadAllBytes(file);
        if (cuts)
        {
            bytes = bytes[..random.Next(bytes.Length)];
        }
        else
        {
            bytes[random.Next(bytes.Length)] ^= 0xFF;
        }

        File.WriteAllBytes(file, bytes);
    }

    /// <summary>Kinds of objects that the archive's writer was not asked for.</summary>
    private static async Task AddRareObjectsAsync(IReadOnlyDictionary<string, string> environment)
    {
        await using var engine = Open(environment);
        await using (var writer = await engine.Archive.OpenWriteAsync(WalGLayout.Wal("00000002.history"), WriteCondition.None, Token))
        {
            await writer.WriteAsync("1\t0/3000100\tno recovery target specified\n"u8.ToArray(), Token);
            await writer.CompleteAsync(Token);
        }

        await engine.Archive.WriteDocumentAsync(
            WalGLayout.Wal("000000010000000000000003.json"),
            """{"000000010000000000000003":{"created_time":"2024-05-01T10:11:12.123456789Z","date_fmt":"%Y"}}"""u8.ToArray(),
            Token);
    }

    private static WalRusEngine Open(IReadOnlyDictionary<string, string> environment) => WalRusEngine.Open(
        WalRusSettings.Load(new SettingSources { Environment = environment }), NullEventLog.Instance);

    private static async Task<(List<ArchiveFinding> Findings, ExaminationSummary Summary)> ExamineAsync(
        IReadOnlyDictionary<string, string> environment, string? backup = null)
    {
        await using var engine = Open(environment);
        var examination = engine.CreateArchiveExamination();
        var findings = new List<ArchiveFinding>();
        await foreach (var finding in examination.RunAsync(new ExaminationRequest { BackupName = backup }, Token))
        {
            findings.Add(finding);
        }

        return (findings, examination.Summary);
    }
}
