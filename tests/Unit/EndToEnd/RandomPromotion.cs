namespace WalRus.Tests.EndToEnd;

/// <summary>Puts another server in the primary's place, in each of the ways there are; its WAL goes on on a new timeline.</summary>
internal sealed class RandomPromotion(
    ArchivedCluster archived, RandomCluster actor, RandomBackups backups, Random random, Action<string> count)
{
    /// <param name="name">Of a restore point, if there is one to be.</param>
    public Task PromoteAsync(string name) => random.Next(4) switch
    {
        0 => SwitchOverAsync(),
        1 => FailOverAsync(),
        2 => FailOverToLaggingAsync(),
        _ => RecoverAsideAsync(name),
    };

    /// <summary>The primary is stopped, a standby that has all of it is promoted.</summary>
    private async Task SwitchOverAsync()
    {
        var standby = await MakeStandbyAsync("switchover");
        await PostgresCluster.UntilAsync(() => archived.Cluster.ScalarAsync<bool>(
            "SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'"));
        await archived.Cluster.StopAsync();
        await TakeOverAsync(standby);
    }

    /// <summary>The primary dies, a standby that has almost all of it is promoted.</summary>
    private async Task FailOverAsync()
    {
        var standby = await MakeStandbyAsync("failover");
        await archived.Cluster.KillAsync();
        await TakeOverAsync(standby);
    }

    /// <summary>The primary dies when the standby has long been behind: the newest backup is of what nobody has any more.</summary>
    private async Task FailOverToLaggingAsync()
    {
        var standby = await MakeStandbyAsync("failover to a standby that lags behind");
        await standby.StopAsync();
        await actor.ActAsync(random.Next(1, 6));
        await backups.PushAsync();
        await actor.ActAsync(random.Next(3));
        await archived.Cluster.KillAsync();
        await standby.StartAsync();
        await TakeOverAsync(standby);
    }

    /// <summary>Recovery to a restore point, beside the primary, which went on for a while and made backups.</summary>
    private async Task RecoverAsideAsync(string name)
    {
        Begin("recovery to an earlier moment");
        var moment = await RecordedMoment.TakeAsync(archived, name);
        await actor.ActAsync(random.Next(1, 10));
        if (random.Next(2) == 0)
        {
            await backups.PushAsync();
        }

        await (random.Next(2) == 0 ? archived.Cluster.StopAsync() : archived.Cluster.KillAsync());
        var successor = await moment.RestoreAsync(archived, await archived.MakePlaceAsync());

        // What steered the recovery would steer a standby of it too.
        foreach (var setting in await successor.QueryAsync(
            "SELECT name FROM pg_settings WHERE sourcefile LIKE '%auto.conf' AND (name LIKE 'recovery_target%' OR name = 'restore_command')"))
        {
            await successor.ExecuteAsync($"ALTER SYSTEM RESET {setting}");
        }

        await successor.RestartAsync();
        await FollowAsync(successor);
    }

    private void Begin(string what)
    {
        actor.Done.Add(what);
        actor.MayCreateTablespaces = false;
        count(what);
    }

    private async Task<PostgresCluster> MakeStandbyAsync(string what)
    {
        Begin(what);
        var places = await archived.Cluster.QueryAsync("SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname ~ '^ts' ORDER BY oid");
        var standby = await archived.Cluster.CreateStandbyAsync(tablespaces: places);
        await actor.ActAsync(random.Next(8));
        if (random.Next(2) == 0)
        {
            await backups.PushFromAsync(standby);
            await actor.ActAsync(random.Next(4));
        }

        return standby;
    }

    private async Task TakeOverAsync(PostgresCluster standby)
    {
        await standby.PromoteAsync();
        await FollowAsync(standby);
    }

    private async Task FollowAsync(PostgresCluster successor)
    {
        await archived.FollowAsync(successor);
        if (random.Next(3) == 0)
        {
            // Soon after opening, before the first checkpoint of the new timeline may be done.
            await successor.KillAsync();
            await successor.StartAsync();
        }

        await actor.FollowAsync(successor);
    }
}
