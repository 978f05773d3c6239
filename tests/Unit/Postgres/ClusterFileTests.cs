using System.Text;
using WalRus.Postgres;

namespace WalRus.Tests.Postgres;

public sealed class ClusterFileTests
{
    [Theory]
    [InlineData(13)]
    [InlineData(15)]
    [InlineData(17)]
    [InlineData(18)]
    public async Task A_real_control_file_says_what_pg_controldata_says(int major)
    {
        await using var cluster = await PostgresCluster.CreateAsync(new() { Major = major, WalSegmentMegabytes = 4 });
        var said = (await cluster.Programs.RunAsync("pg_controldata", ["-D", cluster.DataDirectory]))
            .Split('\n').Where(line => line.Contains(':', StringComparison.Ordinal))
            .ToDictionary(line => line[..line.IndexOf(':', StringComparison.Ordinal)], line => line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim());

        var control = ControlFile.Parse(File.ReadAllBytes(Path.Combine(cluster.DataDirectory, ControlFile.RelativePath)));

        Assert.Equal(said["Database system identifier"], $"{control.SystemIdentifier}");
        Assert.Equal(said["Latest checkpoint location"], control.Checkpoint.ToString());
        Assert.Equal(said["Latest checkpoint's REDO location"], control.Redo.ToString());
        Assert.Equal(said["Latest checkpoint's TimeLineID"], control.Timeline.ToString());
        Assert.Equal(said["Bytes per WAL segment"], $"{control.SegmentSize.Bytes}");
        Assert.Equal(said["Data page checksum version"], $"{control.DataChecksumVersion}");
        Assert.Equal(said["Minimum recovery ending location"], control.MinimumRecoveryPoint.ToString());
        Assert.Equal(said["Min recovery ending loc's timeline"], $"{control.MinimumRecoveryTimeline?.Value ?? 0}");
        Assert.Equal(said["Backup start location"], control.BackupStart.ToString());
        Assert.Equal(said["Backup end location"], control.BackupEnd.ToString());
        Assert.Equal(said["End-of-backup record required"], control.IsBackupEndRequired ? "yes" : "no");
        Assert.Equal(said["wal_level setting"], $"{control.WalLevel}".ToLowerInvariant());
        Assert.Equal(said["Catalog version number"], $"{control.CatalogVersion}");
        Assert.Equal(said["Database block size"], $"{control.BlockSizeBytes}");
        Assert.Equal(ClusterState.ShutDown, control.State);
    }

    [Fact]
    public async Task A_control_file_with_any_bit_of_its_structure_flipped_is_refused()
    {
        await using var cluster = await PostgresCluster.CreateAsync();
        var file = File.ReadAllBytes(Path.Combine(cluster.DataDirectory, ControlFile.RelativePath));
        for (var i = 0; i < 292; i++)
        {
            file[i] ^= 0x10;
            Assert.Throws<WalRusException>(() => ControlFile.Parse(file));
            file[i] ^= 0x10;
        }

        for (var length = 0; length < 512; length++)
        {
            Assert.Throws<WalRusException>(() => ControlFile.Parse(file.AsSpan(0, length)));
        }
    }

    [Fact]
    public void The_page_checksum_is_PostgreSQLs()
    {
        var page = new byte[8192];
        Convert.FromHexString("00000000280000030000000018000020002004200000000000").AsSpan(0, 24).CopyTo(page);

        Assert.Equal(0x58EC, PageChecksum.Compute(page, 0));
        Assert.Equal(0x58EA, PageChecksum.Compute(page, 131072));
        page[8] = 0xFF;
        Assert.Equal(0x58EC, PageChecksum.Compute(page, 0));
    }

    [Fact]
    public async Task Every_page_of_a_real_cluster_has_the_checksum_we_compute()
    {
        await using var cluster = await PostgresCluster.StartAsync();
        await cluster.ExecuteAsync("CREATE TABLE t AS SELECT n, md5(n::text) AS x FROM generate_series(1, 50000) AS n; CHECKPOINT");
        var path = Path.Combine(cluster.DataDirectory, await cluster.ScalarAsync<string>("SELECT pg_relation_filepath('t')"));
        await cluster.StopAsync();
        var file = File.ReadAllBytes(path);

        for (var block = 0; block < file.Length / 8192; block++)
        {
            var page = file.AsSpan(block * 8192, 8192);
            var header = PageHeader.Read(page);
            Assert.True(header.IsValid(8192));
            Assert.Equal(header.Checksum, PageChecksum.Compute(page, (uint)block));
        }
    }

    [Fact]
    public void A_timeline_history_comes_back_from_its_own_file()
    {
        var history = TimelineHistory.Parse(
            new TimelineId(4), "1\t0/3000000\tno recovery target specified\n\n# a comment\n3\t0/5000100\tat restore point \"x y\"\n"u8);

        Assert.Equal(new TimelineId(3), history.Parent);
        Assert.Equal(new TimelineId(1), history.TimelineAt(Lsn.Parse("0/2FFFFFF")));
        Assert.Equal(new TimelineId(3), history.TimelineAt(Lsn.Parse("0/3000000")));
        Assert.Equal(new TimelineId(4), history.TimelineAt(Lsn.Parse("0/5000100")));
        Assert.Equal(Lsn.Parse("0/3000000"), history.EndOf(new TimelineId(1)));
        Assert.False(history.Contains(new TimelineId(2)));
        var again = TimelineHistory.Parse(new TimelineId(4), history.ToFile());
        Assert.Equal(history.Switches, again.Switches);
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("2\t0/1\tx\n1\t0/2\tx")]
    [InlineData("1\t0/9\tx\n2\t0/2\tx")]
    [InlineData("7\t0/9\tx")]
    [InlineData("1\tzz/9\tx")]
    public void A_timeline_history_that_cannot_be_true_is_refused(string text)
    {
        var error = Assert.Throws<WalRusException>(() => TimelineHistory.Parse(new TimelineId(4), Encoding.UTF8.GetBytes(text)));

        Assert.Equal(ErrorCode.ObjectCorrupt, error.Code);
    }

    [Fact]
    public void A_tablespace_map_keeps_every_character_of_a_path()
    {
        KeyValuePair<string, string>[] map = [new("16400", "/mnt/two words"), new("16401", "/odd\nname\\with\rall")];

        Assert.Equal(map, TablespaceMap.Parse(TablespaceMap.ToFile(map)));
        Assert.Empty(TablespaceMap.Parse([]));
    }

    [Fact]
    public void A_backup_label_says_where_the_backup_starts()
    {
        var label = BackupLabel.Parse(
            "START WAL LOCATION: 0/9000028 (file 000000010000000000000009)\nCHECKPOINT LOCATION: 0/9000060\nBACKUP METHOD: streamed\nBACKUP FROM: standby\nSTART TIME: 2026-11-22 21:07:08 UTC\nLABEL: nightly: one\nSTART TIMELINE: 1\n"u8);

        Assert.Equal(Lsn.Parse("0/9000028"), label.StartLsn);
        Assert.Equal("000000010000000000000009", label.StartSegment.ToString());
        Assert.Equal(Lsn.Parse("0/9000060"), label.Checkpoint);
        Assert.True(label.FromStandby);
        Assert.Equal("nightly: one", label.Label);
        Assert.Throws<WalRusException>(() => BackupLabel.Parse("LABEL: x\n"u8));
    }
}
