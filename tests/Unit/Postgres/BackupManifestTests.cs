using System.Buffers;
using System.Text;
using WalRus.Postgres;

namespace WalRus.Tests.Postgres;

/// <summary>PostgreSQL's backup manifest, read in pieces and written again.</summary>
public sealed class BackupManifestTests
{
    private static readonly BackupManifestFile[] Files =
    [
        new("backup_label", false, 227, "2026-11-27 10:01:28 GMT", "CRC32C", "d2a7c1f0"),
        new("base/5/INCREMENTAL.16384", false, 12, "2026-11-27 10:01:28 GMT", null, null),
        new("62c3a473657e", true, 3, null, "SHA256", "00ff"),
        new("odd \"name\" \\ with ü", false, 0, null, null, null),
    ];

    private static readonly BackupManifestWalRange[] Ranges =
    [
        new(new TimelineId(2), Lsn.Parse("0/3000028"), Lsn.Parse("16/B374D848")),
        new(new TimelineId(1), Lsn.Parse("0/2000028"), Lsn.Parse("0/3000028")),
    ];

    [Theory]
    [InlineData(null)]
    [InlineData(ulong.MaxValue - 1)]
    public void A_manifest_comes_back_from_its_own_form_whatever_the_pieces(ulong? systemIdentifier)
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        var document = Write(systemIdentifier);
        for (var round = 0; round < 50; round++)
        {
            var files = new List<BackupManifestFile>();
            var ranges = new List<BackupManifestWalRange>();
            using var parser = new BackupManifestParser { OnFile = files.Add, OnWalRange = ranges.Add };
            for (var at = 0; at < document.Length;)
            {
                var count = Math.Min(random.Next(0, 40), document.Length - at);
                parser.Feed(document.AsSpan(at, count));
                at += count;
            }

            parser.Complete();
            Assert.True(Files.SequenceEqual(files), $"seed {seed}");
            Assert.Equal(Ranges, ranges);
            Assert.Equal(systemIdentifier, parser.SystemIdentifier);
            Assert.Equal(systemIdentifier is null ? 1 : 2, parser.Version);
        }
    }

    [Fact]
    public void A_damaged_manifest_is_refused_always()
    {
        var document = Write(7711105891257686338);
        Damage.TruncateAndFlipEveryByte(document, damaged =>
        {
            using var parser = new BackupManifestParser();
            parser.Feed(damaged);
            parser.Complete();
            Assert.Fail("It was taken.");
        }, 0x01, 0x80, 0xFF);
    }

    [Fact]
    public void A_value_without_end_is_refused_in_bounded_memory()
    {
        using var parser = new BackupManifestParser();
        parser.Feed("{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n\"Files\": [\n{ \"Path\": \""u8);
        var piece = Encoding.ASCII.GetBytes(new string('x', 1000));
        Assert.Equal(ErrorCode.ObjectCorrupt, Assert.Throws<WalRusException>(() =>
        {
            for (var i = 0; i < 1000; i++)
            {
                parser.Feed(piece);
            }
        }).Code);
    }

    private static byte[] Write(ulong? systemIdentifier)
    {
        var target = new ArrayBufferWriter<byte>();
        using var writer = new BackupManifestWriter(target);
        writer.Begin(systemIdentifier);
        foreach (var file in Files)
        {
            writer.Add(file);
        }

        writer.End(Ranges);
        return target.WrittenSpan.ToArray();
    }
}
