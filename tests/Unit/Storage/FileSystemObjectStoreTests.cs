using System.Diagnostics;
using System.Runtime.Versioning;
using WalRus.Storage;
using WalRus.Storage.FileSystem;
using WalRus.Tests.Contracts;
using WalRus.Streaming;

namespace WalRus.Tests.Storage;

/// <summary>What the folder store does beyond the contract: names, modes, cleaning up, the system's errors.</summary>
public sealed class FileSystemObjectStoreTests : IDisposable
{
    private readonly DirectoryInfo root = Directory.CreateTempSubdirectory("walrus-folder-");
    private readonly FileSystemObjectStore store;

    public FileSystemObjectStoreTests() => store = new FileSystemObjectStore(root.FullName);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => root.Delete(recursive: true);

    [Fact]
    public async Task A_write_goes_to_a_temporary_name_of_wal_gs_form_beside_its_target()
    {
        await using var stream = await store.OpenWriteAsync(ObjectKey.Parse("wal_005/x.lz4"), WriteCondition.None, Token);
        var name = Assert.Single(Directory.GetFiles(Path.Combine(root.FullName, "wal_005")));
        Assert.Matches(@"/x\.lz4\.tmp\.\d{8}T\d{6}Z-[0-9a-f]{16}$", name.Replace('\\', '/'));
        await stream.CompleteAsync(Token);
        Assert.Equal("x.lz4", Path.GetFileName(Assert.Single(Directory.GetFiles(Path.Combine(root.FullName, "wal_005")))));
    }

    [Fact]
    public async Task Files_and_folders_are_closed_to_others()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no modes.");
        Debug.Assert(!OperatingSystem.IsWindows());
        await store.PutAsync("a/b/c", new byte[1]);
        Assert.Equal("640", Octal(Path.Combine(root.FullName, "a/b/c")));
        Assert.Equal("750", Octal(Path.Combine(root.FullName, "a/b")));
        Assert.Equal("750", Octal(Path.Combine(root.FullName, "a")));

        [UnsupportedOSPlatform("windows")]
        static string Octal(string path) => Convert.ToString((int)File.GetUnixFileMode(path), 8);
    }

    [Fact]
    public async Task Deleting_the_last_object_removes_its_folders_but_never_the_root_or_a_link()
    {
        await store.PutAsync("a/b/c/one", new byte[1]);
        await store.PutAsync("a/two", new byte[1]);
        await store.DeleteAsync([ObjectKey.Parse("a/b/c/one")], Token);
        Assert.Equal(["a"], Directory.GetDirectories(root.FullName).Select(Path.GetFileName));
        Assert.Empty(Directory.GetDirectories(Path.Combine(root.FullName, "a")));
        await store.DeleteAsync([ObjectKey.Parse("a/two")], Token);
        Assert.Empty(root.EnumerateFileSystemInfos());

        if (!OperatingSystem.IsWindows())
        {
            var elsewhere = Directory.CreateTempSubdirectory("walrus-elsewhere-");
            Directory.CreateSymbolicLink(Path.Combine(root.FullName, "linked"), elsewhere.FullName);
            await store.PutAsync("linked/one", new byte[1]);
            Assert.Equal(["linked/one"], await store.NamesAsync(new ListRequest { Folder = "", Recursive = true }));
            await store.DeleteAsync([ObjectKey.Parse("linked/one")], Token);
            Assert.Equal("linked", Assert.Single(root.EnumerateDirectories()).Name);
            elsewhere.Delete();
        }
    }

    [Fact]
    public async Task Deleting_objects_of_several_folders_at_once_removes_each_of_them_that_is_empty()
    {
        string[] deleted = ["a/b/one", "c/one", "a/b/two", "d/one", "never/there", "a/one"];
        foreach (var key in deleted.Append("d/stays"))
        {
            await store.PutAsync(key, new byte[1]);
        }

        await store.DeleteAsync([ObjectKey.Parse("never/there")], Token);
        Assert.Equal(6, (await store.DeleteAsync([.. deleted.Select(ObjectKey.Parse)], Token)).DeletedCount);
        Assert.Equal("d", Assert.Single(root.EnumerateFileSystemInfos()).Name);
        Assert.Equal(["d/stays"], await store.NamesAsync(new ListRequest { Folder = "", Recursive = true }));
    }

    [Fact]
    public async Task A_root_reached_through_a_link_works()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Making links takes a privilege on Windows.");
        var link = root.FullName + "-link";
        Directory.CreateSymbolicLink(link, root.FullName);
        try
        {
            var linked = new FileSystemObjectStore(link + "/");
            await linked.PutAsync("x/y", new byte[3]);
            Assert.True(await store.HasAsync("x/y"));
            await linked.DeleteAsync([ObjectKey.Parse("x/y")], Token);
            Assert.True(Directory.Exists(link));
        }
        finally
        {
            File.Delete(link);
        }
    }

    [Fact]
    public async Task Writers_and_deleters_of_one_folder_do_not_fail_each_other()
    {
        var end = Stopwatch.StartNew();
        await Parallel.ForEachAsync(
            Enumerable.Range(0, 8),
            new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = Token },
            async (worker, _) =>
            {
                for (var round = 0; round < 60 && end.Elapsed.TotalSeconds < 10; round++)
                {
                    await store.PutAsync($"shared/deep/{worker}", new byte[1]);
                    Assert.Empty((await store.DeleteAsync([ObjectKey.Parse($"shared/deep/{worker}")], Token)).Failed);
                }
            });
        Assert.Empty(root.EnumerateFileSystemInfos());
    }

    [Fact]
    public async Task A_missing_root_is_named_and_never_made()
    {
        var missing = new FileSystemObjectStore(Path.Combine(root.FullName, "unmounted"));
        var failure = await missing.PutAsync("x", new byte[1]).FailsAsync(ErrorCode.StoreNotFound);
        Assert.Contains("unmounted", failure.Message, StringComparison.Ordinal);
        Assert.NotNull(failure.Hint);
        await missing.GetAsync("x").FailsAsync(ErrorCode.StoreNotFound);
        await missing.HasAsync("x").FailsAsync(ErrorCode.StoreNotFound);
        await missing.NamesAsync(new ListRequest { Folder = "" }).FailsAsync(ErrorCode.StoreNotFound);
        await missing.DeleteAsync([ObjectKey.Parse("x")], Token).AsTask().FailsAsync(ErrorCode.StoreNotFound);
        Assert.Empty(root.EnumerateFileSystemInfos());
    }

    [Fact]
    public async Task Temporary_files_are_hidden_and_dead_writers_ones_go_with_a_delete_after_a_listing()
    {
        var dead = Touch("wal_005/x.tmp.20240101T000000Z-0123456789abcdef", age: TimeSpan.FromDays(2));
        var slow = Touch("wal_005/y.tmp.20240101T000000Z-0123456789abcdef", age: TimeSpan.FromHours(1));
        var now = DateTime.UtcNow.ToString("yyyyMMdd'T'HHmmss'Z'", System.Globalization.CultureInfo.InvariantCulture);
        var young = Touch($"wal_005/z.tmp.{now}-0123456789abcdef", age: TimeSpan.FromDays(2));
        var other = Touch("wal_005/x.tmp.20240101T000000Z-0123456789ABCDEF", age: TimeSpan.FromDays(2));
        Assert.Equal([Key(other)], await store.NamesAsync(new ListRequest { Folder = "wal_005" }));
        Assert.True(File.Exists(dead));
        await store.DeleteAsync([ObjectKey.Parse("anything")], Token);
        Assert.Equal([false, true, true, true], new[] { dead, slow, young, other }.Select(File.Exists));
        await store.PutAsync(Key(young), new byte[1]).FailsAsync(ErrorCode.InvalidArgument);
    }

    /// <summary>The process may end as soon as the cancelled call has: what a thread would remove behind it is left then.</summary>
    [Fact]
    public async Task A_write_that_is_cancelled_leaves_no_temporary_file_when_it_returns()
    {
        await store.PutAsync("a/other", new byte[1]);
        var random = new Random(1);
        for (var i = 0; i < 100; i++)
        {
            using var cancel = new CancellationTokenSource();
            try
            {
                var opening = store.OpenWriteAsync(ObjectKey.Parse("a/b"), WriteCondition.None, cancel.Token);
                if (i % 2 == 0)
                {
                    Cancel();
                }

                await using var stream = await opening;
                await stream.WriteAsync(new byte[1 << 16], cancel.Token);
                var completing = stream.CompleteAsync(cancel.Token);
                Cancel();
                await completing;
            }
            catch (OperationCanceledException)
            {
                Assert.True(cancel.IsCancellationRequested);
            }

            Assert.DoesNotContain(
                root.EnumerateFiles("*", SearchOption.AllDirectories), file => file.Name.Contains(".tmp.", StringComparison.Ordinal));

            void Cancel()
            {
                Thread.SpinWait(random.Next(20_000));
                cancel.Cancel();
            }
        }
    }

    [Fact]
    public async Task A_folder_in_which_nothing_is_visible_is_not_listed()
    {
        root.CreateSubdirectory("empty/inside");
        Touch("half/x.tmp.20240101T000000Z-0123456789abcdef", TimeSpan.Zero);
        Touch("full/x", TimeSpan.Zero);
        Assert.Equal(["full/"], await store.NamesAsync(new ListRequest { Folder = "" }));
    }

    [Fact]
    public async Task A_full_disk_is_DiskFull_and_leaves_nothing()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.UserName == "root", "Mounting a small disk takes root on Linux.");
        var mounted = Process.Start("mount", ["-t", "tmpfs", "-o", "size=256k", "walrus-test", root.FullName]);
        await mounted.WaitForExitAsync(Token);
        Assert.SkipUnless(mounted.ExitCode == 0, "This machine lets no test mount a disk.");
        try
        {
            var failure = await store.PutAsync("a/large", new byte[1_000_000]).FailsAsync(ErrorCode.DiskFull);
            Assert.NotNull(failure.Hint);
            Assert.Empty(root.EnumerateFileSystemInfos());
            await store.PutAsync("a/small", new byte[1000]);
        }
        finally
        {
            await Process.Start("umount", [root.FullName]).WaitForExitAsync(Token);
        }
    }

    [Fact]
    public async Task What_may_not_be_accessed_is_FileAccessDenied()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows() || Environment.UserName == "root", "root may access everything.");
        Debug.Assert(!OperatingSystem.IsWindows());
        await store.PutAsync("closed/x", new byte[1]);
        File.SetUnixFileMode(Path.Combine(root.FullName, "closed"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        try
        {
            await store.PutAsync("closed/y", new byte[1]).FailsAsync(ErrorCode.FileAccessDenied);
            Assert.Single((await store.DeleteAsync([ObjectKey.Parse("closed/x")], Token)).Failed);
        }
        finally
        {
            File.SetUnixFileMode(
                Path.Combine(root.FullName, "closed"),
                UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    [Fact]
    public async Task A_file_system_that_hangs_ends_in_DeadlineExceeded()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "There are no named pipes in Windows' folders.");

        // Opening a named pipe for reading waits for a writer: the nearest thing to a file server that is gone.
        var pipe = Path.Combine(root.FullName, "pipe");
        await Process.Start("mkfifo", [pipe]).WaitForExitAsync(Token);
        var impatient = new FileSystemObjectStore(root.FullName) { CallLimit = TimeSpan.FromMilliseconds(200) };
        var failure = await impatient.GetAsync("pipe").FailsAsync(ErrorCode.DeadlineExceeded);
        Assert.True(failure.IsTransient);
        await using var writer = new FileStream(pipe, FileMode.Open, FileAccess.Write);
    }

    [Fact]
    public void The_location_is_a_file_url()
    {
        Assert.Equal($"file://{(OperatingSystem.IsWindows() ? "/" : "")}{root.FullName.Replace('\\', '/')}", store.Location);
        Assert.Equal("default", store.Name);
    }

    private static string Key(string path) => "wal_005/" + Path.GetFileName(path);

    private string Touch(string key, TimeSpan age)
    {
        var path = Path.Combine(root.FullName, key);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, "x");
        File.SetLastWriteTimeUtc(path, DateTime.UtcNow - age);
        return path;
    }

    [Fact]
    public async Task What_root_writes_belongs_to_the_owner_of_the_archive()
    {
        Assert.SkipUnless(!OperatingSystem.IsWindows() && Environment.IsPrivilegedProcess, "only root can give files away.");
        using var folder = new TemporaryFolder();
        UnixFiles.ChangeOwner(folder.FullName, new UnixOwner(4711, 4712));
        await using var store = new FileSystemObjectStore(folder.FullName);

        await using (var target = await store.OpenWriteAsync(ObjectKey.Parse("a/b/c"), WriteCondition.None, default))
        {
            await target.WriteAsync(new byte[3]);
            await target.CompleteAsync(default);
        }

        foreach (var path in (string[])[folder["a"], folder["a", "b"], folder["a", "b", "c"]])
        {
            Assert.Equal(new UnixOwner(4711, 4712), UnixFiles.OwnerOf(path));
        }
    }
}
