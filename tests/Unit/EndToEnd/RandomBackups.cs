using System.Globalization;
using WalRus.Postgres;
using WalRus.WalG;

namespace WalRus.Tests.EndToEnd;

/// <summary>How one backup is made: where its bytes come from, who proposes changed blocks, how they are written.</summary>
internal sealed record BackupWay(string Source, bool IsLocal, bool IsNative, bool IsFull)
{
    public override string ToString() =>
        $"{(IsLocal ? "local" : "remote")} {(IsFull ? "full" : Source)}{(IsNative ? " native" : "")}";
}

/// <summary>
/// Makes backups of a server in every way there is while it is used, and holds each against what the rules say of it: a
/// delta wherever the newest backup can be its parent, a full backup wherever it cannot.
/// </summary>
internal sealed class RandomBackups(ArchivedCluster archived, RandomCluster actor, Random random, Action<string> count)
{
    public const int MaxSteps = 6;

    private readonly HashSet<string> known = [];
    private Made? last;
    private (bool IsLocal, bool IsNative) kind = (random.Next(2) == 0, random.Next(2) == 0);

    /// <summary>What a backup consists of, as the next one must know it.</summary>
    private sealed record Made(string Name, TimelineId Timeline, Lsn Finish, int Steps, bool IsLocal, bool IsNative);

    /// <summary>Chains keep to one format and one way of copying, so these change seldom and the source each time.</summary>
    public BackupWay AnyWay()
    {
        if (random.Next(5) == 0)
        {
            kind = (random.Next(2) == 0, random.Next(2) == 0);
        }

        string[] sources = archived.Cluster.Major >= 17 ? ["pages", "wal", "summaries"] : ["pages", "wal"];
        return new BackupWay(sources[random.Next(sources.Length)], kind.IsLocal, kind.IsNative, random.Next(10) == 0);
    }

    /// <summary>A backup of the primary while rows change and things come and go.</summary>
    public async Task PushAsync()
    {
        var way = AnyWay();
        actor.Done.Add($"backup, {way}");
        var acts = random.Next(2) == 0 ? 0 : random.Next(1, 6);
        var isDelta = await ShouldBeDeltaAsync(way);
        actor.IsBackingUp = true;
        using var stop = new CancellationTokenSource();
        var busy = actor.KeepBusyAsync(stop.Token);
        var acting = actor.ActAsync(acts);
        try
        {
            var result = await RunAsync(way, archived.Cluster);
            await acting;
            await TakeAsync(way, result, isDelta);
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll(busy, acting);
            actor.IsBackingUp = false;
        }
    }

    /// <summary>A backup of a standby that follows the primary.</summary>
    public async Task PushFromAsync(PostgresCluster standby)
    {
        if (await archived.Cluster.ScalarAsync<bool>("SELECT NOT current_setting('full_page_writes')::bool"))
        {
            count("standby not backed up, as PostgreSQL refuses without full_page_writes");
            return;
        }

        var way = AnyWay();
        actor.Done.Add($"backup of the standby, {way}");

        // It begins where the standby's newest restartpoint does, which must be behind the newest backup and have a name of its own.
        await archived.Cluster.SwitchWalAsync();
        await archived.Cluster.ExecuteAsync("CHECKPOINT");
        var position = await archived.Cluster.ScalarAsync<string>("SELECT pg_current_wal_insert_lsn()::text");
        await PostgresCluster.UntilAsync(() => standby.ScalarAsync<bool>($"SELECT pg_last_wal_replay_lsn() >= '{position}'"));
        var isDelta = await ShouldBeDeltaAsync(way);
        await TakeAsync(way, await RunAsync(way, standby), isDelta, "of a standby");
    }

    /// <summary>The server dies in the middle: there is no backup, or it was complete before.</summary>
    public async Task PushAndCrashAsync()
    {
        var way = AnyWay();
        actor.Done.Add($"backup and a crash, {way}");
        var isDelta = await ShouldBeDeltaAsync(way);
        var pushing = RunAsync(way, archived.Cluster);
        await Task.Delay(random.Next(1500));
        await actor.CrashAsync();
        var result = await pushing;
        if (result.ExitCode == 0)
        {
            await TakeAsync(way, result, isDelta);
            return;
        }

        Assert.Equal(known.Order(), Sentinels().Order());
        count("backup ended by a crash");
    }

    private async Task<ProgramResult> RunAsync(BackupWay way, PostgresCluster server)
    {
        var environment = new Dictionary<string, string>(archived.Environment)
        {
            ["PGHOST"] = server.Host,
            ["WALRUS_DELTA_SOURCE"] = way.Source,
            ["WALRUS_INCREMENT_FORMAT"] = way.IsNative ? "native" : "wi1",
        };
        string[] arguments = ["backup-push", .. way.IsLocal ? [server.DataDirectory] : Array.Empty<string>(), .. way.IsFull ? ["--full"] : Array.Empty<string>()];
        return await WalRusProgram.RunAsync(arguments, environment);
    }

    private async Task TakeAsync(BackupWay way, ProgramResult result, bool isDelta, string of = "of a primary")
    {
        Assert.True(result.ExitCode == 0, result.Errors);
        var name = Assert.Single(Sentinels().Except(known));
        known.Add(name);
        var sentinel = BackupSentinel.Parse(await File.ReadAllBytesAsync(
            Path.Combine(archived.ArchiveFolder, WalGLayout.BackupFolder, name + WalGLayout.SentinelSuffix), TestContext.Current.CancellationToken));
        if (isDelta && !way.IsLocal && sentinel.Delta is null && result.Errors.Contains("was made after the parent backup", StringComparison.Ordinal))
        {
            // What the server sends does not say whether a younger folder is a copy's, or of a database moved to and fro.
            count("remote full, as a folder is younger than the parent");
            isDelta = false;
        }

        Assert.True(
            isDelta == sentinel.Delta is not null && (!isDelta || sentinel.Delta!.From == last!.Name),
            $"{name} should be {(isDelta ? $"a delta of {last!.Name}" : "a full backup")}:\n{result.Errors}");
        Assert.True(BackupName.TryParse(name, out var parsed));
        var timeline = parsed.StartSegment.Timeline;
        Tally(way, result, of, isDelta && timeline != last!.Timeline);
        last = new Made(name, timeline, sentinel.FinishLsn!.Value, sentinel.Delta?.Count ?? 0, way.IsLocal, way.IsNative);
        actor.Done.Add($"  {name}, {sentinel.StartLsn} to {sentinel.FinishLsn}");
    }

    private void Tally(BackupWay way, ProgramResult result, string of, bool isAcross)
    {
        const string By = "changed blocks are found by ";
        var found = result.Errors.IndexOf(By, StringComparison.Ordinal);
        var source = found < 0 ? "full" : $"delta by {result.Errors[(found + By.Length)..].Split('\n', '"')[0].Trim()}, {(way.IsNative ? "native" : "wi1")}";
        count($"{(way.IsLocal ? "local" : "remote")} {source}");
        count($"backup {of}");
        if (isAcross)
        {
            count("delta of a parent on the timeline before");
        }

        if (found >= 0 && !way.IsFull && result.Errors.Contains("page is looked at", StringComparison.Ordinal))
        {
            count($"{(way.IsLocal ? "local" : "remote")} {way.Source} fell back to all pages");
        }
    }

    private async Task<bool> ShouldBeDeltaAsync(BackupWay way) =>
        last is { } parent && !way.IsFull && parent.Steps < MaxSteps && parent.IsLocal == way.IsLocal
        && (parent.Steps == 0 || parent.IsNative == way.IsNative) && await IsBehindAsync(parent);

    /// <summary>Whether the primary's WAL leads through the parent's end, by what the server itself keeps of its past.</summary>
    private async Task<bool> IsBehindAsync(Made parent)
    {
        var server = archived.Cluster;
        var segment = await server.ScalarAsync<string>("SELECT pg_walfile_name(pg_current_wal_insert_lsn())");
        var timeline = uint.Parse(segment.AsSpan(0, 8), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        if (timeline == parent.Timeline.Value)
        {
            return true;
        }

        var history = await server.ScalarAsync<string>($"SELECT pg_read_file('pg_wal/{timeline:X8}.history')");
        var ended = history.Split('\n').Select(line => line.Split('\t'))
            .FirstOrDefault(words => words[0] == $"{parent.Timeline.Value}");
        var isBehind = ended is not null && parent.Finish <= Lsn.Parse(ended[1]);
        if (!isBehind)
        {
            count("parent that the server's timeline has left before its end");
        }

        return isBehind;
    }

    private IEnumerable<string> Sentinels()
    {
        var folder = Path.Combine(archived.ArchiveFolder, WalGLayout.BackupFolder);
        return Directory.Exists(folder)
            ? Directory.EnumerateFiles(folder, $"*{WalGLayout.SentinelSuffix}").Select(path => Path.GetFileName(path)[..^WalGLayout.SentinelSuffix.Length])
            : [];
    }
}
