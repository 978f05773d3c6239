using System.Net.Sockets;
using WalRus.Backup;

namespace WalRus.Tests.Backup;

public sealed class DataDirectoryWalkerTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly RecordingLog log = new();
    private readonly BackupWarnings warnings;

    public DataDirectoryWalkerTests()
    {
        warnings = new BackupWarnings(log);
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Links need a privilege there.");
        Make("data/PG_VERSION", "data/global/pg_control", "data/global/1262", "data/base/1/1259", "data/pg_wal/000000010000000000000001");
        Directory.CreateDirectory(folder["data", "pg_tblspc"]);
    }

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Each_directory_comes_before_what_is_in_it_and_the_control_file_does_not_come()
    {
        var names = Walk(out _).Select(file => file.Name).ToList();
        Assert.Equal(
            ["/", "/PG_VERSION", "/base", "/base/1", "/base/1/1259", "/global", "/global/1262", "/pg_tblspc", "/pg_wal"],
            names.Order(StringComparer.Ordinal));
        foreach (var name in names.Skip(1))
        {
            var parent = name[..Math.Max(1, name.LastIndexOf('/'))];
            Assert.True(names.IndexOf(parent) < names.IndexOf(name), name);
        }
    }

    [Fact]
    public void What_wal_g_leaves_out_is_left_out_and_its_directories_are_empty()
    {
        string[] folders =
        [
            "log", "pg_log", "pg_xlog", "pg_dynshmem", "pg_notify", "pg_replslot", "pg_serial", "pg_stat_tmp", "pg_snapshots",
            "pg_subtrans", "base/pgsql_tmp",
        ];
        string[] files =
            ["postgresql.auto.conf.tmp", "postmaster.pid", "postmaster.opts", "recovery.conf", "standby.signal", "base/postmaster.pid"];
        string[] kept = ["recovery.signal", "backup_label", "current_logfiles", "base/1/pg_internal.init", "base/1/t3_16384", "base/1/5_init"];
        Make([.. folders.Select(name => $"data/{name}/x"), .. files.Select(name => $"data/{name}"), .. kept.Select(name => $"data/{name}")]);
        var names = Walk(out _).Select(file => file.Name).ToHashSet();
        Assert.Superset(folders.Select(name => $"/{name}").ToHashSet(), names);
        Assert.Superset(kept.Select(name => $"/{name}").ToHashSet(), names);
        Assert.Empty(names.Intersect(files.Select(name => $"/{name}")));
        Assert.DoesNotContain(names, name => name.EndsWith("/x", StringComparison.Ordinal));
    }

    [Fact]
    public void A_tablespace_is_walked_where_its_link_leads_and_named_by_the_link()
    {
        Make("elsewhere/ts/PG_17_202406281/5/16400", "data/pg_tblspc/16500/PG_17_202406281/5/1");
        File.CreateSymbolicLink(folder["data", "pg_tblspc", "16400"], folder["elsewhere", "ts"]);
        File.CreateSymbolicLink(folder["data", "pg_tblspc", "16401"], "../../elsewhere/ts");
        var files = Walk(out var walker);
        var names = files.Select(file => file.Name).ToList();
        Assert.Contains("/pg_tblspc/16400/PG_17_202406281/5/16400", names);
        Assert.Contains("/pg_tblspc/16401/PG_17_202406281/5/16400", names);
        Assert.Contains("/pg_tblspc/16500/PG_17_202406281/5/1", names);
        Assert.Contains("/pg_tblspc/16500", names);
        Assert.DoesNotContain("/pg_tblspc/16400", names);
        Assert.Equal(
            ["16400", "16401"], walker.Tablespaces.Select(tablespace => tablespace.Name).Order(StringComparer.Ordinal));
        Assert.All(walker.Tablespaces, tablespace => Assert.Equal(folder["elsewhere", "ts"], tablespace.Location));
        Assert.Contains(walker.Tablespaces, tablespace => tablespace.Link == "pg_tblspc/16400");
        Assert.Empty(log.Names);
    }

    [Fact]
    public void A_tablespace_whose_directory_is_missing_fails_the_backup()
    {
        File.CreateSymbolicLink(folder["data", "pg_tblspc", "16400"], folder["not", "mounted"]);
        var failure = Assert.Throws<WalRusException>(() => Walk(out _));
        Assert.Equal(ErrorCode.DataDirectoryInvalid, failure.Code);
        Assert.Contains("16400", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_linked_pg_wal_becomes_an_empty_directory()
    {
        Directory.Delete(folder["data", "pg_wal"], recursive: true);
        Make("waldisk/000000010000000000000001");
        File.CreateSymbolicLink(folder["data", "pg_wal"], folder["waldisk"]);
        var wal = Assert.Single(Walk(out _), file => file.Name.StartsWith("/pg_wal", StringComparison.Ordinal));
        Assert.Equal(("/pg_wal", FileKind.Directory), (wal.Name, wal.Facts.Kind));
    }

    [Fact]
    public void Another_link_is_kept_with_its_real_target_and_a_warning()
    {
        Make("etc/server.crt");
        File.CreateSymbolicLink(folder["data", "server.crt"], "../etc/server.crt");
        var link = Assert.Single(Walk(out _), file => file.Facts.Kind == FileKind.SymbolicLink);
        Assert.Equal(("/server.crt", "../etc/server.crt"), (link.Name, link.LinkTarget));
        Assert.Contains("server.crt", Assert.Single(warnings.ToList()), StringComparison.Ordinal);
    }

    [Fact]
    public void A_socket_is_skipped_with_a_warning()
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(folder["data", ".s.PGSQL.5432"]));
        Assert.DoesNotContain(Walk(out _), file => file.Name.Contains("PGSQL", StringComparison.Ordinal));
        Assert.Contains(".s.PGSQL.5432", Assert.Single(warnings.ToList()), StringComparison.Ordinal);
    }

    [Fact]
    public void A_directory_removed_after_it_was_listed_is_counted()
    {
        Make("data/zz/one", "data/zz/two");
        var walker = new DataDirectoryWalker(folder["data"], warnings);
        foreach (var file in walker.Walk())
        {
            if (file.Name == "/zz")
            {
                Directory.Delete(file.Path, recursive: true);
            }
        }

        Assert.Equal(1, walker.VanishedCount);
    }

    [Fact]
    public void The_catalog_size_counts_everything_seen()
    {
        File.WriteAllBytes(folder["data", "base", "1", "1259"], new byte[5000]);
        File.WriteAllBytes(folder["data", "postmaster.pid"], new byte[77]);
        var files = Walk(out var walker);
        var directories = files.Where(file => file.Facts.Kind == FileKind.Directory).Sum(file => file.Facts.SizeBytes);
        Assert.Equal(directories + 5000 + 77, walker.CatalogBytes);
    }

    [Fact]
    public void Warnings_are_bounded()
    {
        for (var i = 0; i < 150; i++)
        {
            File.CreateSymbolicLink(folder["data", $"link{i}"], "nowhere");
        }

        Walk(out _);
        Assert.Equal(101, warnings.ToList().Count);
        Assert.Equal("50 more warnings are in the log.", warnings.ToList()[^1]);
    }

    [Fact]
    public void Links_anywhere_in_a_path_are_resolved()
    {
        Make("real/deep/data/PG_VERSION");
        File.CreateSymbolicLink(folder["one"], folder["real"]);
        File.CreateSymbolicLink(folder["two"], "one/deep");
        Assert.Equal(folder["real", "deep", "data"], DirectoryPath.Resolve(folder["two", "data"] + "/"));
        Assert.Equal(folder["not", "there"], DirectoryPath.Resolve(folder["not", "there"]));
        File.CreateSymbolicLink(folder["loop"], "loop");
        Assert.Throws<IOException>(() => DirectoryPath.Resolve(folder["loop", "x"]));
    }

    private List<WalkedFile> Walk(out DataDirectoryWalker walker)
    {
        walker = new DataDirectoryWalker(folder["data"], warnings);
        return [.. walker.Walk()];
    }

    private void Make(params string[] files)
    {
        foreach (var file in files)
        {
            var path = Path.Combine(folder.FullName, file);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, "");
        }
    }
}
