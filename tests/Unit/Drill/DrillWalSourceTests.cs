using System.Diagnostics;
using WalRus.Archiving;
using WalRus.Compression;
using WalRus.Drill;
using WalRus.Postgres;
using WalRus.Storage.FileSystem;
using WalRus.Streaming;
using WalRus.Wal;

namespace WalRus.Tests.Drill;

/// <summary>The two ends of a drill's restore_command, without a server between them.</summary>
public sealed class DrillWalSourceTests : IAsyncDisposable
{
    private const string Name = "000000010000000000000001";

    private readonly TemporaryFolder folder = new();
    private readonly NativeBufferPool buffers = new(16 << 20);
    private readonly Archive archive;
    private readonly DrillWorkspace space;
    private readonly DrillWalSource source;

    public DrillWalSourceTests()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "The script is sh's here.");
        Directory.CreateDirectory(folder["archive"]);
        archive = new Archive(new FileSystemObjectStore(folder["archive"]), Codecs.Create("lz4"), Codecs.ReadOrder, Crypter: null);
        space = DrillWorkspace.Create(folder.FullName, "postgres");
        source = new DrillWalSource(new WalFetch(archive, new WalFetchOptions(), buffers, NullEventLog.Instance), space, 0, null, Token);
        source.Start();
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        await source.DisposeAsync();
        buffers.Dispose();
        folder.Dispose();
    }

    [Fact]
    public async Task What_the_archive_lacks_is_always_answered_as_its_end()
    {
        for (var round = 0; round < 30; round++)
        {
            var asked = await Task.WhenAll(Enumerable.Range(0, 8).Select(number => AskAsync($"{number:X8}.history", folder["x"])));
            Assert.All(asked, code => Assert.Equal(1, code));
        }

        Assert.Null(source.Failure);
    }

    [Fact]
    public async Task A_segment_that_is_there_is_brought_and_counted_once()
    {
        await PushAsync(Name);
        Assert.Equal(0, await AskAsync(Name, folder["got"]));
        Assert.Equal(0, await AskAsync(Name, folder["got"]));

        Assert.Equal(SyntheticWal.Segment(Name, WalSegmentSize.Default), File.ReadAllBytes(folder["got"]));
        Assert.Equal((1, WalSegmentSize.Default.Bytes), (source.SegmentCount, source.Bytes));
    }

    [Fact]
    public async Task A_damaged_segment_ends_recovery_at_once_with_a_reason()
    {
        await PushAsync(Name);
        File.WriteAllText(Directory.EnumerateFiles(folder["archive", "wal_005"]).Single(), "not a segment");

        Assert.Equal(255, await AskAsync(Name, folder["got"]));
        Assert.Contains(Name, source.Failure!.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(folder["got"]));
    }

    [Fact]
    public async Task A_script_that_waits_ends_when_the_drill_s_folder_goes()
    {
        await source.DisposeAsync();
        var asked = AskAsync(Name, folder["got"]);
        await Task.Delay(100, Token);
        Assert.Null(await space.RemoveAsync());

        Assert.Equal(255, await asked);
    }

    private async Task PushAsync(string name)
    {
        var path = folder[name];
        File.WriteAllBytes(path, SyntheticWal.Segment(name, WalSegmentSize.Default));
        await new WalPush(archive, new WalPushOptions(), buffers, NullEventLog.Instance)
            .RunAsync(new WalPushRequest { Path = path }, Token);
    }

    /// <summary>Runs the restore_command as PostgreSQL does.</summary>
    private async Task<int> AskAsync(string name, string destination)
    {
        var command = source.RestoreCommand.Replace("%f", name, StringComparison.Ordinal).Replace("%p", destination, StringComparison.Ordinal);
        using var process = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", command]) { RedirectStandardError = true })!;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Token);
        limit.CancelAfter(TimeSpan.FromSeconds(60));
        await process.WaitForExitAsync(limit.Token);
        return process.ExitCode;
    }
}
