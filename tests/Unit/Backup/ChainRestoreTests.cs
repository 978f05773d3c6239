using WalRus.Backup;
using WalRus.Compression;
using WalRus.Storage;
using WalRus.Tests.Contracts;
using WalRus.Tests.Faults;
using WalRus.WalG;

namespace WalRus.Tests.Backup;

/// <summary>Chains of deltas: what comes back is the newest state, whatever happened to a file in between.</summary>
public sealed class ChainRestoreTests
{
    private const int PageBytes = 8192;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("WalG")]
    [InlineData("WalRus")]
    [InlineData("Server")]
    public async Task Every_backup_of_a_chain_comes_back_as_the_cluster_was(string style)
    {
        var seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        var random = new Random(seed);
        using var fixture = new ChainFixture(Enum.Parse<ChainStyle>(style), new Lz4Codec(null));
        var states = new List<SortedDictionary<string, byte[]>> { FirstState(random) };
        await fixture.AddAsync(states[0], null);
        for (var depth = 1; depth <= 5; depth++)
        {
            states.Add(NextState(states[^1], random));
            await fixture.AddAsync(states[^1], states[^2], tars: random.Next(1, 5));
        }

        for (var index = 0; index < states.Count; index++)
        {
            var destination = fixture.Folder[$"data{index}"];
            var result = await fixture.FetchAsync(fixture.Request with { Name = fixture.Names[index], Destination = destination });
            fixture.AssertRestored(states[index], destination);
            Assert.Equal(index + 1, result.ChainLength);
        }
    }

    [Theory]
    [InlineData("WalG")]
    [InlineData("WalRus")]
    [InlineData("Server")]
    public async Task A_file_that_shrank_grew_went_or_came_again_is_as_it_was_last(string style)
    {
        using var fixture = new ChainFixture(Enum.Parse<ChainStyle>(style));
        byte[] Pages(int count, int seed) => StoreExtensions.Bytes(count * PageBytes, seed);
        SortedDictionary<string, byte[]> State(params (string Name, byte[] Content)[] files) => new(
            files.Append(("PG_VERSION", "17\n"u8.ToArray())).ToDictionary(file => file.Item1, file => file.Item2), StringComparer.Ordinal);
        var long10 = Pages(10, 1);
        var first = State(("base/5/1", long10), ("base/5/2", Pages(3, 2)), ("base/5/3", Pages(3, 3)), ("base/5/4", Pages(2, 4)));
        var second = State(("base/5/1", long10[..(4 * PageBytes)]), ("base/5/3", []), ("base/5/4", [.. Pages(2, 4), .. Pages(3, 5)]));
        var third = State(
            ("base/5/1", [.. long10[..(4 * PageBytes)], .. new byte[PageBytes], .. Pages(4, 6)]),
            ("base/5/2", Pages(1, 7)),
            ("base/5/3", Pages(1, 8)),
            ("base/5/4", Pages(2, 4)));
        await fixture.AddAsync(first, null);
        await fixture.AddAsync(second, first);
        await fixture.AddAsync(third, second);
        await fixture.FetchAsync();
        fixture.AssertRestored(third);
        await fixture.FetchAsync(fixture.Request with { Name = fixture.Names[1], Destination = fixture.Folder["second"] });
        fixture.AssertRestored(second, fixture.Folder["second"]);
    }

    [Fact]
    public async Task Tars_that_hold_nothing_newer_backups_lack_are_not_read()
    {
        using var fixture = new ChainFixture(codec: new Lz4Codec(null));
        await ThreeAsync(fixture, tars: 2);
        var read = new List<string>();
        fixture.Store = new FaultyObjectStore(fixture.Store, (call, key, _) =>
        {
            lock (read)
            {
                read.AddRange(call == StoreCall.OpenRead && key.Contains("tar_partitions", StringComparison.Ordinal) ? [key] : []);
            }
        });
        var plan = await fixture.PlanAsync();
        Assert.Empty(read);
        Assert.Equal([1, 1, 0], plan.Steps.Select(step => step.SkippedTarCount));
        Assert.True(plan.SkippedBytes > 40 * PageBytes, $"{plan.SkippedBytes}");
        Assert.Equal(plan.Steps.Sum(step => step.StoredBytes), plan.StoredBytes);
        await fixture.FetchAsync();

        // The big file is written anew in each backup: the tars that the parents have it in are of no use, nor are the
        // parents' labels and control files.
        Assert.Equal(plan.Steps.Sum(step => step.TarCount), read.Count);
        Assert.DoesNotContain(read, key => key.Contains($"{fixture.Names[0]}/", StringComparison.Ordinal) && !key.EndsWith("part_001.tar.lz4", StringComparison.Ordinal));
        Assert.Equal(read.Distinct().Count(), read.Count);
    }

    [Fact]
    public async Task A_missing_parent_is_told_before_anything_is_written()
    {
        using var fixture = new ChainFixture();
        await ThreeAsync(fixture);
        await fixture.Store.DeleteAsync([WalGLayout.Sentinel(fixture.Names[0])], Token);
        Assert.Contains(fixture.Names[0].ToString(), (await fixture.RefusedAsync(ErrorCode.BackupIncomplete)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_lost_part_or_list_anywhere_in_the_chain_is_told_before_anything_is_written(int step)
    {
        using var fixture = new ChainFixture();
        await ThreeAsync(fixture);
        foreach (var lost in new[] { WalGLayout.Tar(fixture.Names[step], "part_001.tar"), WalGLayout.FilesMetadata(fixture.Names[step]) })
        {
            var content = await fixture.Store.GetAsync(lost.ToString());
            await fixture.Store.DeleteAsync([lost], Token);
            var refused = await fixture.RefusedAsync(ErrorCode.BackupIncomplete);
            Assert.Contains(fixture.Names[step].ToString(), refused.Message, StringComparison.Ordinal);
            await fixture.Store.PutAsync(lost.ToString(), content);
        }

        await fixture.FetchAsync();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_part_that_lacks_a_member_is_an_error(int step)
    {
        using var fixture = new ChainFixture();
        await ThreeAsync(fixture, tars: 1);
        await fixture.Store.PutAsync(WalGLayout.Tar(fixture.Names[step], "part_001.tar").ToString(), new byte[1024]);
        await fixture.RefusedAsync(ErrorCode.BackupIncomplete);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task A_parent_that_is_deleted_during_the_restore_is_named_and_nothing_is_left(int step)
    {
        using var fixture = new ChainFixture();
        await ThreeAsync(fixture);
        var store = fixture.Store;
        var deleting = 0;
        fixture.Store = new FaultyObjectStore(store, async (call, key, _) =>
        {
            if (call == StoreCall.OpenRead && key.Contains("/part_", StringComparison.Ordinal) && Interlocked.Exchange(ref deleting, 1) == 0)
            {
                // As delete does it: the sentinel first.
                await store.DeleteAsync([WalGLayout.Sentinel(fixture.Names[step])], Token);
                var rest = await store.ListAsync(new ListRequest { Folder = $"{WalGLayout.BackupFolder}/{fixture.Names[step]}", Recursive = true });
                await store.DeleteAsync([.. rest.Select(entry => entry.Key)], Token);
            }
        });
        var refused = await fixture.RefusedAsync(ErrorCode.BackupIncomplete);
        Assert.Contains(fixture.Names[step].ToString(), refused.Message, StringComparison.Ordinal);
        Assert.Equal(1, deleting);
    }

    [Fact]
    public async Task A_parent_made_anew_under_its_old_name_is_refused()
    {
        using var fixture = new ChainFixture();
        await ThreeAsync(fixture);
        var key = WalGLayout.Sentinel(fixture.Names[1]).ToString();
        var sentinel = BackupSentinel.Parse(await fixture.Store.GetAsync(key));
        await fixture.Store.PutAsync(key, (sentinel with { StartLsn = sentinel.StartLsn!.Value + 0x100 }).ToJson());
        await fixture.RefusedAsync(ErrorCode.BackupIncomplete);
        await fixture.Store.PutAsync(key, (sentinel with { SystemIdentifier = 1 }).ToJson());
        await fixture.RefusedAsync(ErrorCode.BackupIncomplete);
    }

    /// <summary>A codec with checksums finds every flip of a tar; a cut one is found by any.</summary>
    [Fact]
    public async Task A_flipped_or_cut_object_of_a_chain_never_comes_back_as_something_else()
    {
        var seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        var random = new Random(seed);
        using var fixture = new ChainFixture(codec: new ZstdCodec(null));
        var states = await ThreeAsync(fixture);
        foreach (var entry in await fixture.Store.ListAsync(new ListRequest { Folder = WalGLayout.BackupFolder, Recursive = true }))
        {
            var whole = await fixture.Store.GetAsync(entry.Key.ToString());
            for (var round = 0; round < 3; round++)
            {
                var damaged = round == 0 ? whole[..random.Next(whole.Length)] : (byte[])whole.Clone();
                if (round > 0)
                {
                    damaged[random.Next(whole.Length)] ^= (byte)(1 << random.Next(8));
                }

                fixture.Damage(entry.Key, damaged);
                await RestoredOrRefusedAsync(fixture, states[^1], entry.Key);
            }

            fixture.Damage(entry.Key, whole);
        }
    }

    [Fact]
    public async Task A_part_that_breaks_off_is_read_again_and_counted_once()
    {
        using var fixture = new ChainFixture();
        var states = await ThreeAsync(fixture);
        var time = new ManualTime { AutoAdvance = true };
        fixture.Time = time;
        var broken = new HashSet<string>();
        fixture.Store = new FaultyObjectStore(fixture.Store, (call, key, position) =>
        {
            lock (broken)
            {
                if (call == StoreCall.Read && position > 0 && key.Contains("/part_", StringComparison.Ordinal) && broken.Add(key))
                {
                    throw FaultyObjectStore.Transient();
                }
            }
        });
        await fixture.FetchAsync();
        fixture.AssertRestored(states[^1]);
        Assert.True(broken.Count > 3, $"{broken.Count}");
    }

    [Fact]
    public async Task A_mask_takes_its_files_through_the_whole_chain()
    {
        using var fixture = new ChainFixture();
        var states = await ThreeAsync(fixture);
        await fixture.FetchAsync(fixture.Request with { Mask = "base/5/1?" });
        var there = Directory.EnumerateFiles(fixture.Destination, "*", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(fixture.Destination, path).Replace('\\', '/')).Order(StringComparer.Ordinal);
        Assert.Equal(states[^1].Keys.Where(path => path.StartsWith("base/5/1", StringComparison.Ordinal)), there);
        Assert.All(there, path => Assert.Equal(states[^1][path], File.ReadAllBytes(Path.Combine(fixture.Destination, path))));
    }

    private static async Task RestoredOrRefusedAsync(ChainFixture fixture, SortedDictionary<string, byte[]> state, ObjectKey damaged)
    {
        try
        {
            await fixture.FetchAsync();
            fixture.AssertRestored(state);
            Directory.Delete(fixture.Destination, recursive: true);
        }
        catch (WalRusException refused)
        {
            Assert.False(string.IsNullOrWhiteSpace(refused.Message), damaged.ToString());
            Assert.False(Directory.Exists(fixture.Destination), damaged.ToString());
        }
    }

    /// <summary>A chain of three in which file 20 is written anew, 10 and 11 are changed, and 12 stays as it is.</summary>
    private static async Task<List<SortedDictionary<string, byte[]>>> ThreeAsync(ChainFixture fixture, int tars = 3)
    {
        var random = new Random(7);
        var first = new SortedDictionary<string, byte[]>(StringComparer.Ordinal)
        {
            ["PG_VERSION"] = "17\n"u8.ToArray(),
            ["base/5/10"] = StoreExtensions.Bytes(9 * PageBytes, 10),
            ["base/5/11"] = StoreExtensions.Bytes(5 * PageBytes, 11),
            ["base/5/12"] = StoreExtensions.Bytes(5 * PageBytes, 12),
            ["base/5/20_fsm"] = StoreExtensions.Bytes(50 * PageBytes, 20),
        };
        if (tars == 2)
        {
            // Files go round: with two parts these four share the first with what is needed, and the big one is alone.
            first = new SortedDictionary<string, byte[]>(StringComparer.Ordinal)
            {
                ["PG_VERSION"] = "17\n"u8.ToArray(),
                ["base/5/20_fsm"] = StoreExtensions.Bytes(50 * PageBytes, 20),
                ["base/5/3"] = StoreExtensions.Bytes(5 * PageBytes, 12),
            };
        }

        var second = Touch(first, random);
        var third = Touch(second, random);
        await fixture.AddAsync(first, null, tars);
        await fixture.AddAsync(second, first, tars);
        await fixture.AddAsync(third, second, tars);
        return [first, second, third];
    }

    private static SortedDictionary<string, byte[]> Touch(SortedDictionary<string, byte[]> state, Random random)
    {
        var next = new SortedDictionary<string, byte[]>(state, StringComparer.Ordinal);
        foreach (var path in state.Keys.Where(path => path is "base/5/10" or "base/5/11" or "base/5/3"))
        {
            var content = (byte[])state[path].Clone();
            random.NextBytes(content.AsSpan(random.Next(content.Length / PageBytes) * PageBytes, PageBytes));
            next[path] = content;
        }

        next["base/5/20_fsm"] = StoreExtensions.Bytes(50 * PageBytes, random.Next());
        return next;
    }

    private static SortedDictionary<string, byte[]> FirstState(Random random)
    {
        var state = new SortedDictionary<string, byte[]>(StringComparer.Ordinal) { ["PG_VERSION"] = "17\n"u8.ToArray() };
        for (var number = 0; number < 20; number++)
        {
            state[$"base/5/{16384 + number}"] = StoreExtensions.Bytes(random.Next(0, 60) * PageBytes, random.Next());
            state[$"pg_xact/{number:X4}"] = StoreExtensions.Bytes(random.Next(0, 30_000), random.Next());
        }

        return state;
    }

    private static SortedDictionary<string, byte[]> NextState(SortedDictionary<string, byte[]> state, Random random)
    {
        var next = new SortedDictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var (path, content) in state)
        {
            var pages = content.Length / PageBytes;
            switch (path.StartsWith("base/", StringComparison.Ordinal) ? random.Next(8) : random.Next(2) * 7)
            {
                case 0:
                    break; // dropped
                case 1 when pages > 0:
                    next[path] = content[..(random.Next(pages) * PageBytes)];
                    break;
                case 2:
                    next[path] = [.. content, .. StoreExtensions.Bytes(random.Next(1, 9) * PageBytes, random.Next())];
                    break;
                case 3 or 4 when pages > 0:
                    var changed = (byte[])content.Clone();
                    for (var count = random.Next(1, pages + 1); count > 0; count--)
                    {
                        random.NextBytes(changed.AsSpan(random.Next(pages) * PageBytes, PageBytes));
                    }

                    next[path] = changed;
                    break;
                case 7 when !path.StartsWith("base/", StringComparison.Ordinal):
                    next[path] = StoreExtensions.Bytes(content.Length, random.Next());
                    break;
                default:
                    next[path] = content;
                    break;
            }
        }

        for (var count = random.Next(4); count > 0; count--)
        {
            // Also a name that was there before.
            next[$"base/5/{16384 + random.Next(30)}"] = StoreExtensions.Bytes(random.Next(0, 30) * PageBytes, random.Next());
        }

        next["PG_VERSION"] = "17\n"u8.ToArray();
        return next;
    }
}
