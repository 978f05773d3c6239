using WalRus.Daemon;
using WalRus.Tests.Faults;
using WalRus.Wal;
using static WalRus.Tests.Daemon.UploaderFixture;

namespace WalRus.Tests.Daemon;

public sealed class LookAheadUploaderTests : IAsyncDisposable
{
    private readonly UploaderFixture fixture = new();

    public ValueTask DisposeAsync() => fixture.DisposeAsync();

    [Fact]
    public async Task Ready_segments_are_durable_before_PostgreSQL_asks_and_are_stored_once()
    {
        string[] names = [.. Enumerable.Range(1, 20).Select(number => Name(number))];
        fixture.MakeReady(names);
        var uploader = fixture.Start();

        await fixture.AskAsync(uploader, names[0]);
        await UntilAsync(() => uploader.Look().Ahead == 19);
        foreach (var name in names[1..])
        {
            await fixture.AskAsync(uploader, name);
        }

        Assert.Equal(20, fixture.Begun.Count);
        Assert.Equal(20, fixture.Figures.Read().Archived);
        await fixture.AssertAllArchivedAsync(names);
    }

    [Fact]
    public async Task Files_are_taken_in_PostgreSQLs_order_over_gaps_and_timelines()
    {
        string[] asked = [Name(1), Name(2), Name(5), Name(3, timeline: 2), Name(4, timeline: 2)];
        fixture.MakeReady(asked);
        File.WriteAllText(fixture.PathOf("00000002.history"), "1\t0/300000\tx\n");
        File.WriteAllText(Path.Combine(fixture.WalFolder, "archive_status", "00000002.history.ready"), "");
        var uploader = fixture.Start(lanes: 2);

        // One lane is held, so that the other shows the order.
        var hold = new TaskCompletionSource();
        fixture.Script = async (call, key, _) =>
        {
            if (call == StoreCall.OpenWrite && key.Contains(asked[0], StringComparison.Ordinal))
            {
                await hold.Task;
            }
        };
        var first = fixture.AskAsync(uploader, asked[0]);
        await UntilAsync(() => fixture.Figures.Read().Uploaded == 5);
        hold.SetResult();
        await first;

        string[] ahead = [.. fixture.Begun.Where(key => !key.Contains(asked[0], StringComparison.Ordinal))];
        Assert.Equal(
            [.. new[] { "00000002.history", asked[1], asked[2], asked[3], asked[4] }.Select(name => $"wal_005/{name}.lz4")], ahead);
    }

    [Fact]
    public async Task A_file_that_changed_after_it_was_pushed_ahead_is_pushed_again()
    {
        fixture.MakeReady(Name(1), Name(2));
        var uploader = fixture.Start();
        await fixture.AskAsync(uploader, Name(1));
        await UntilAsync(() => uploader.Look().Ahead == 1);

        var changed = await File.ReadAllBytesAsync(fixture.PathOf(Name(2)), TestContext.Current.CancellationToken);
        changed[^1] ^= 1;
        var written = File.GetLastWriteTimeUtc(fixture.PathOf(Name(2)));
        await File.WriteAllBytesAsync(fixture.PathOf(Name(2)), changed, TestContext.Current.CancellationToken);

        // Whoever sets the time back does not hide the change.
        File.SetLastWriteTimeUtc(fixture.PathOf(Name(2)), written);
        await fixture.AskAsync(uploader, Name(2));

        Assert.Equal(changed, await fixture.FetchAsync(Name(2)));
        Assert.Equal(1, fixture.Log.Count(nameof(LogEvents.AheadOutdated)));
    }

    [Fact]
    public async Task Another_file_in_the_place_of_one_pushed_ahead_is_pushed_again()
    {
        fixture.MakeReady(Name(1), Name(2));
        var uploader = fixture.Start();
        await fixture.AskAsync(uploader, Name(1));
        await UntilAsync(() => uploader.Look().Ahead == 1);

        var other = await File.ReadAllBytesAsync(fixture.PathOf(Name(2)), TestContext.Current.CancellationToken);
        other[^1] ^= 1;
        await File.WriteAllBytesAsync(fixture.PathOf("other"), other, TestContext.Current.CancellationToken);
        File.SetLastWriteTimeUtc(fixture.PathOf("other"), File.GetLastWriteTimeUtc(fixture.PathOf(Name(2))));
        File.Move(fixture.PathOf("other"), fixture.PathOf(Name(2)), overwrite: true);
        await fixture.AskAsync(uploader, Name(2));

        Assert.Equal(other, await fixture.FetchAsync(Name(2)));
    }

    [Fact]
    public async Task A_segment_that_is_written_to_while_it_is_read_is_not_archived_and_succeeds_later()
    {
        fixture.MakeReady(Name(1));
        var uploader = fixture.Start();
        var isFirst = true;
        fixture.Script = (call, _, _) =>
        {
            if (call == StoreCall.Write && isFirst)
            {
                isFirst = false;
                File.SetLastWriteTimeUtc(fixture.PathOf(Name(1)), DateTime.UtcNow.AddSeconds(-5));
            }

            return ValueTask.CompletedTask;
        };

        var failure = await Assert.ThrowsAsync<WalRusException>(() => fixture.AskAsync(uploader, Name(1)));
        Assert.True(failure.IsTransient);
        Assert.Contains("changed while it was read", failure.Message, StringComparison.Ordinal);
        Assert.Empty(fixture.Objects);
        await fixture.AskAsync(uploader, Name(1));
        await fixture.AssertAllArchivedAsync([Name(1)]);
    }

    [Fact]
    public async Task What_is_ready_without_a_file_or_not_what_it_says_does_not_stop_the_others()
    {
        fixture.MakeReady(Name(1), Name(2), Name(3), Name(4), Name(5));
        File.Delete(fixture.PathOf(Name(2)));
        await File.WriteAllBytesAsync(fixture.PathOf(Name(3)), new byte[1 << 20], TestContext.Current.CancellationToken);
        var uploader = fixture.Start(lanes: 2);

        await fixture.AskAsync(uploader, Name(1));
        await UntilAsync(() => uploader.Look().Ahead == 2);
        var gone = await Assert.ThrowsAsync<WalRusException>(() => fixture.AskAsync(uploader, Name(2)));
        var wrong = await Assert.ThrowsAsync<WalRusException>(() => fixture.AskAsync(uploader, Name(3)));

        Assert.Equal((ErrorCode.WalSourceNotFound, ErrorCode.WalSegmentInvalid), (gone.Code, wrong.Code));
        await fixture.AskAsync(uploader, Name(4));
        await fixture.AssertAllArchivedAsync([Name(1), Name(4), Name(5)]);
    }

    [Fact]
    public async Task A_segment_of_another_cluster_claims_nothing_for_itself_or_its_neighbours()
    {
        fixture.MakeReady(Name(1));
        await fixture.AskAsync(fixture.Start(), Name(1));
        SyntheticWal.Write(fixture.WalFolder, Name(2), ready: true, systemIdentifier: 42);
        SyntheticWal.Write(fixture.WalFolder, Name(3), ready: true, systemIdentifier: 42);
        var uploader = fixture.Start();

        var failure = await Assert.ThrowsAsync<WalRusException>(() => fixture.AskAsync(uploader, Name(2)));

        Assert.Equal(ErrorCode.WalSegmentForeign, failure.Code);
        Assert.Equal([$"wal_005/{Name(1)}.lz4"], fixture.Objects);
    }

    [Fact]
    public async Task What_is_known_of_files_pushed_ahead_is_bounded_however_large_the_backlog()
    {
        const int count = 300;
        string[] names = [.. Enumerable.Range(1, count).Select(number => Name(number))];
        fixture.MakeReady(names);
        var uploader = fixture.Start(lanes: 2, push: new WalPushOptions { NeighbourLimit = 10 });

        await fixture.AskAsync(uploader, names[0]);
        await UntilAsync(() => uploader.Look() is { Busy: 0, Ahead: 10 });
        Assert.Equal(11, fixture.Begun.Count);
        foreach (var name in names[1..])
        {
            await fixture.AskAsync(uploader, name);
            Assert.InRange(uploader.Look().Ahead, 0, 10);
        }

        Assert.Equal(count, fixture.Begun.Count);
        Assert.Equal(count, fixture.Objects.Length);
    }

    [Fact]
    public async Task Names_that_lead_nowhere_are_read_once_an_ask_however_many()
    {
        fixture.MakeReady(Name(1));
        for (var number = 2; number < 1500; number++)
        {
            await File.WriteAllTextAsync(
                Path.Combine(fixture.WalFolder, "archive_status", $"{Name(number)}.ready"), "", TestContext.Current.CancellationToken);
        }

        var uploader = fixture.Start();
        await fixture.AskAsync(uploader, Name(1));
        await UntilAsync(() => uploader.IsAtRest);
        await Task.Delay(200, TestContext.Current.CancellationToken);
        Assert.True(uploader.IsAtRest);
        Assert.Equal(0, fixture.Log.Count(nameof(LogEvents.NeighbourFailed)));
        Assert.Single(fixture.Begun);
    }

    [Fact]
    public async Task Files_pushed_ahead_that_nobody_asks_for_do_not_end_looking_ahead()
    {
        var uploader = fixture.Start(lanes: 2, push: new WalPushOptions { NeighbourLimit = 8 });
        fixture.MakeReady([.. Enumerable.Range(1, 9).Select(number => Name(number))]);
        await fixture.AskAsync(uploader, Name(1));
        await UntilAsync(() => uploader.Look().Ahead == 8);

        // Somebody else archived these; then others come.
        Array.ForEach(Enumerable.Range(2, 8).ToArray(), number => new ReadyFolder(fixture.WalFolder).MarkDone(Name(number)));
        fixture.MakeReady([.. Enumerable.Range(100, 12).Select(number => Name(number))]);
        for (var number = 100; number < 112; number++)
        {
            await fixture.AskAsync(uploader, Name(number));
        }

        Assert.Equal(21, fixture.Objects.Length);
        Assert.True(uploader.Look().Ahead <= 8);
    }

    [Fact]
    public async Task A_store_that_hangs_is_an_error_with_the_reason_within_the_deadline_and_the_lane_is_free_again()
    {
        fixture.MakeReady(Name(1), Name(2), Name(3), Name(4));
        var uploader = fixture.Start(lanes: 2, new LookAheadOptions
        {
            PushTimeout = TimeSpan.FromMilliseconds(300),
            ProbeInterval = TimeSpan.FromMilliseconds(20),
        });
        foreach (var call in new[] { StoreCall.OpenWrite, StoreCall.Write, StoreCall.Complete })
        {
            fixture.Script = (now, _, _) => now == call ? new ValueTask(Task.Delay(Timeout.Infinite)) : ValueTask.CompletedTask;
            var failure = await Assert.ThrowsAsync<WalRusException>(() => fixture.AskAsync(uploader, Name(1)));
            Assert.Equal(ErrorCode.DeadlineExceeded, failure.Code);
            Assert.Contains("took longer than 0.3 s", failure.Message, StringComparison.Ordinal);
            Assert.False(uploader.Look().IsStuck);
        }

        fixture.Script = (_, _, _) => ValueTask.CompletedTask;
        await fixture.AskAsync(uploader, Name(1));
        await UntilAsync(() => uploader.Look() is { Busy: 0, Ahead: 3 });
        await fixture.AssertAllArchivedAsync([Name(1), Name(2), Name(3), Name(4)]);
    }

    [Fact]
    public async Task A_store_that_fails_is_probed_by_one_lane_and_all_work_again_once_it_is_back_without_being_asked()
    {
        string[] names = [.. Enumerable.Range(1, 12).Select(number => Name(number))];
        fixture.MakeReady(names);
        var uploader = fixture.Start(lanes: 4);
        var isDown = false;
        var (now, most) = (0, 0);
        fixture.Script = async (call, _, _) =>
        {
            if (isDown && call == StoreCall.Write)
            {
                var together = Interlocked.Increment(ref now);
                most = Math.Max(most, together);
                await Task.Delay(10);
                Interlocked.Decrement(ref now);
                throw FaultyObjectStore.Transient("the store is down");
            }
        };
        await fixture.AskAsync(uploader, names[0]);
        await UntilAsync(() => uploader.Look().Ahead == 11);
        fixture.MakeReady([.. Enumerable.Range(20, 12).Select(number => Name(number))]);
        isDown = true;
        await Assert.ThrowsAsync<WalRusException>(() => fixture.AskAsync(uploader, Name(20)));
        await UntilAsync(() => uploader.Look().Busy <= 1);
        most = 0;
        var begun = fixture.Begun.Count;
        await UntilAsync(() => fixture.Begun.Count > begun + 5);
        Assert.Equal(1, most);

        isDown = false;
        await UntilAsync(() => uploader.Look() is { Busy: 0, Ahead: 23 });
        foreach (var name in names[1..].Concat(Enumerable.Range(20, 12).Select(number => Name(number))))
        {
            await fixture.AskAsync(uploader, name);
        }

        await fixture.AssertAllArchivedAsync(names.Concat(Enumerable.Range(20, 12).Select(number => Name(number))));
    }

    [Fact]
    public async Task A_link_too_slow_for_all_lanes_at_once_gets_as_many_as_it_can_bear()
    {
        // 16 segments at once would each take twice the time one may take; the link alone could do all in 4.5 s.
        const int count = 36;
        string[] names = [.. Enumerable.Range(1, count).Select(number => Name(number))];
        fixture.MakeReady(names);
        var uploader = fixture.Start(lanes: 16, new LookAheadOptions
        {
            PushTimeout = TimeSpan.FromSeconds(1),
            ProbeInterval = TimeSpan.FromMilliseconds(20),
        });
        var link = new SemaphoreSlim(1);
        fixture.Script = async (call, _, _) =>
        {
            if (call == StoreCall.Complete)
            {
                await link.WaitAsync();
                await Task.Delay(125);
                link.Release();
            }
        };
        var watch = System.Diagnostics.Stopwatch.StartNew();
        foreach (var name in names)
        {
            while (await Record.ExceptionAsync(() => fixture.AskAsync(uploader, name)) is WalRusException { IsTransient: true })
            {
            }
        }

        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(60), $"{watch.Elapsed}");
        Assert.True(fixture.Begun.Count < 4 * count, $"{fixture.Begun.Count} uploads for {count} files");
        await fixture.AssertAllArchivedAsync(names);
    }

    [Fact]
    public void Lanes_are_halved_once_a_round_by_timeouts_and_come_back_one_a_round()
    {
        var allowance = new LaneAllowance(16);
        for (var lane = 0; lane < 16; lane++)
        {
            allowance.TimedOut(started: lane, now: 100);
        }

        Assert.Equal(8, allowance.Allowed);
        allowance.TimedOut(started: 100, now: 200);
        Assert.Equal(4, allowance.Allowed);
        var successes = 0;
        for (; allowance.Allowed < 16; successes++)
        {
            allowance.Succeeded();
        }

        Assert.Equal(114, successes);
        allowance.Failed();
        allowance.Failed();
        Assert.Equal(1, allowance.Allowed);
        allowance.Succeeded();
        Assert.Equal(16, allowance.Allowed);
    }

    [Fact]
    public async Task A_push_that_no_cancellation_reaches_is_noticed()
    {
        fixture.MakeReady(Name(1));
        var time = new ManualTime();
        var uploader = fixture.Start(options: new LookAheadOptions { Time = time });
        var hold = new TaskCompletionSource();
        fixture.Script = (call, _, _) =>
        {
            if (call == StoreCall.OpenWrite)
            {
                hold.Task.Wait();
            }

            return ValueTask.CompletedTask;
        };
        var asked = fixture.AskAsync(uploader, Name(1));
        await UntilAsync(() => !fixture.Begun.IsEmpty);
        time.Advance(TimeSpan.FromSeconds(61));
        Assert.Equal(ErrorCode.DeadlineExceeded, (await Assert.ThrowsAsync<WalRusException>(() => asked)).Code);
        Assert.False(uploader.Look().IsStuck);
        time.Advance(TimeSpan.FromSeconds(30));
        Assert.True(uploader.Look().IsStuck);
        hold.SetResult();
        await UntilAsync(() => uploader.Look() is { Busy: 0, IsStuck: false });
    }

    [Fact]
    public async Task What_was_pushed_ahead_before_a_drained_end_is_not_stored_again()
    {
        fixture.MakeReady(Name(1), Name(2), Name(3));
        var before = fixture.Start();
        await fixture.AskAsync(before, Name(1));
        await UntilAsync(() => before.Look().Ahead == 2);
        await before.DrainAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(3, fixture.Begun.Count);

        var after = fixture.Start();
        await fixture.AskAsync(after, Name(2));
        await fixture.AskAsync(after, Name(3));

        Assert.Equal(3, fixture.Begun.Count);
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(fixture.WalFolder, "walg_data", "walg_archive_status")));
        await fixture.AssertAllArchivedAsync([Name(1), Name(2), Name(3)]);
    }

    [Fact]
    public async Task An_end_without_a_word_loses_nothing()
    {
        fixture.MakeReady(Name(1), Name(2), Name(3));
        var before = fixture.Start();
        await fixture.AskAsync(before, Name(1));
        await UntilAsync(() => before.Look().Ahead == 2);

        // As after kill -9: nothing of what the first knew is left.
        var after = fixture.Start();
        await fixture.AskAsync(after, Name(2));
        await fixture.AskAsync(after, Name(3));
        await fixture.AssertAllArchivedAsync([Name(1), Name(2), Name(3)]);
    }

    [Fact]
    public async Task A_drain_waits_for_what_is_under_way_and_gives_it_up_at_the_limit()
    {
        fixture.MakeReady(Name(1), Name(2));
        var uploader = fixture.Start();
        var hold = new TaskCompletionSource();
        fixture.Script = (call, key, _) => call == StoreCall.Write && key.Contains(Name(2), StringComparison.Ordinal)
            ? new ValueTask(hold.Task) : ValueTask.CompletedTask;
        await fixture.AskAsync(uploader, Name(1));
        await UntilAsync(() => fixture.Begun.Count == 2);

        await uploader.DrainAsync(TimeSpan.FromMilliseconds(100));

        Assert.Equal(1, fixture.Log.Count(nameof(LogEvents.DaemonDrainCut)));
        await UntilAsync(() => uploader.Look().Busy == 0);
        Assert.Equal([$"wal_005/{Name(1)}.lz4"], fixture.Objects);
    }

    [Fact]
    public async Task Two_daemons_on_the_same_files_lose_nothing()
    {
        string[] names = [.. Enumerable.Range(1, 30).Select(number => Name(number))];
        fixture.MakeReady(names);
        LookAheadUploader[] both = [fixture.Start(), fixture.Start()];
        await Task.WhenAll(both.Select(async uploader =>
        {
            foreach (var name in names)
            {
                await fixture.AskAsync(uploader, name);
            }
        }));
        Assert.Equal(30, fixture.Objects.Length);
        await fixture.AssertAllArchivedAsync(names);
    }

    [Fact]
    public async Task The_same_file_asked_for_twice_at_once_is_stored_once()
    {
        fixture.MakeReady(Name(1));
        var uploader = fixture.Start();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => uploader.PushAsync(
            fixture.PathOf(Name(1)), TestContext.Current.CancellationToken)));
        Assert.Single(fixture.Begun);
    }

    [Fact]
    public async Task With_renaming_a_file_pushed_ahead_is_done_and_never_asked_for()
    {
        fixture.MakeReady(Name(1), Name(2), Name(3));
        var uploader = fixture.Start(push: new WalPushOptions { RenameReady = true });
        await fixture.AskAsync(uploader, Name(1));
        await UntilAsync(() => File.Exists(Path.Combine(fixture.WalFolder, "archive_status", Name(3) + ".done"))
            && File.Exists(Path.Combine(fixture.WalFolder, "archive_status", Name(2) + ".done")));
        Assert.Equal(0, uploader.Look().Ahead);
        await fixture.AssertAllArchivedAsync([Name(1), Name(2), Name(3)]);
    }

    [Fact]
    public async Task With_one_lane_or_no_limit_nothing_is_pushed_ahead()
    {
        fixture.MakeReady(Name(1), Name(2));
        await fixture.AskAsync(fixture.Start(lanes: 1), Name(1));
        await fixture.AskAsync(fixture.Start(push: new WalPushOptions { NeighbourLimit = 0 }), Name(1));
        Assert.Equal(2, fixture.Begun.Count);
        Assert.All(fixture.Begun, key => Assert.Contains(Name(1), key, StringComparison.Ordinal));
    }
}
