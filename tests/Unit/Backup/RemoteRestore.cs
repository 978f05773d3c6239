using System.Globalization;
using WalRus.Backup;
using WalRus.Streaming;

namespace WalRus.Tests.Backup;

/// <summary>Restoring with WalRus itself, and starting a server on the result.</summary>
internal static class RemoteRestore
{
    /// <summary>Restores to where the tablespaces were; not started.</summary>
    public static async Task<PostgresCluster> FetchAsync(BackupPushFixture fixture, BackupPushResult result, PostgresCluster origin)
    {
        var restored = await PostgresCluster.OverExistingAsync(new()
        {
            Major = origin.Major,
            Archiving = false,
            Settings = new Dictionary<string, string> { ["restore_command"] = $"cp \"{origin.ArchiveFolder}/%f\" \"%p\"" },
        });
        try
        {
            using var buffers = new NativeBufferPool(16 << 20);
            var fetch = new BackupFetch(fixture.Archive, new BackupFetchOptions(), buffers, fixture.Log);
            await fetch.RunAsync(
                new BackupFetchRequest { Name = result.Backup.Name, Destination = restored.DataDirectory },
                TestContext.Current.CancellationToken);
            await restored.TakeOwnershipAsync();
            return restored;
        }
        catch
        {
            await restored.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts a server that recovers all the WAL its origin archived, and waits until it has.</summary>
    public static async Task StartAsync(PostgresCluster restored)
    {
        restored.WriteSettings();

        // A server sends its standby.signal too; whoever restores for recovery removes it.
        File.Delete(Path.Combine(restored.DataDirectory, "standby.signal"));
        await File.WriteAllTextAsync(Path.Combine(restored.DataDirectory, "recovery.signal"), "");
        await restored.TakeOwnershipAsync();
        await restored.StartAsync();
        await PostgresCluster.UntilAsync(() => restored.ScalarAsync<bool>("SELECT NOT pg_is_in_recovery()"));
    }
}

/// <summary>A server that is used while it is backed up.</summary>
internal static class BusyServer
{
    /// <summary>
    /// A busy server says after sixty turns of a waiting loop that it still waits for its archiver, and each commit of others
    /// is a turn (do_pg_backup_stop). Nothing else may be said.
    /// </summary>
    public static void CheckWarnings(IEnumerable<string> warnings) =>
        Assert.DoesNotContain(warnings, warning => !warning.Contains("still waiting for all required WAL", StringComparison.Ordinal));

    /// <summary>Moves money between the accounts 1 to 3000 until told to stop: the sum never changes.</summary>
    public static Task TransferAsync(PostgresCluster cluster, out CancellationTokenSource stop)
    {
        var source = new CancellationTokenSource();
        stop = source;
        return Task.Run(async () =>
        {
            await using var connection = await cluster.ConnectAsync();
            var random = new Random(3);
            while (!source.IsCancellationRequested)
            {
                var (from, to) = (random.Next(1, 3001), random.Next(1, 3001));
                await using var command = connection.CreateCommand();
                command.CommandText = string.Create(
                    CultureInfo.InvariantCulture,
                    $"UPDATE account SET balance = balance - 1 WHERE id = {from}; UPDATE account SET balance = balance + 1 WHERE id = {to}");
                await command.ExecuteNonQueryAsync();
            }
        });
    }
}
