using WalRus.Backup;
using WalRus.Tests.Contracts;
using WalRus.Tests.Faults;
using WalRus.WalG;

namespace WalRus.Tests.Backup;

/// <summary>Whose a backup's name is: what a killed run left is replaced, what may still be written never.</summary>
public sealed class BackupClaimTests : IDisposable
{
    private const int NoProcess = int.MaxValue;
    private static readonly BackupName Name = BackupName.Full(WalRus.Postgres.WalFileName.Parse("000000010000000000000002"));
    private readonly BackupPushFixture fixture = new();

    public void Dispose() => fixture.Dispose();

    [Fact]
    public async Task What_a_process_left_that_is_gone_makes_room()
    {
        await LeaveAsync(Claim(NoProcess));
        await TakeAsync(Claim(Environment.ProcessId));
        Assert.Equal([WalGLayout.Metadata(Name).ToString()], await fixture.KeysAsync());
        Assert.Contains("BackupRemnantsRemoved", fixture.Log.Names);
    }

    [Fact]
    public async Task A_process_that_runs_keeps_the_name_though_its_session_is_lost()
    {
        await LeaveAsync(Claim(Environment.ProcessId));
        await RefusedAsync(Claim(NoProcess));
    }

    [Fact]
    public async Task A_process_number_given_again_since_is_no_sign_of_life()
    {
        await LeaveAsync(Claim(Environment.ProcessId) with
        {
            StartTime = WalGTime.FromDateTimeOffset(DateTimeOffset.UtcNow.AddDays(-30)),
        });
        await TakeAsync(Claim(Environment.ProcessId));
    }

    [Theory]
    [InlineData("another host")]
    [InlineData("another directory")]
    [InlineData("another run of the server")]
    [InlineData("wal-g")]
    [InlineData("the name is held on the server")]
    public async Task What_may_be_of_another_run_is_refused_and_left_as_it_is(string what)
    {
        var (theirs, mine) = (Claim(NoProcess), Claim(Environment.ProcessId));
        await LeaveAsync(what switch
        {
            "another host" => theirs with { Hostname = "other.example.org" },
            "another directory" => theirs with { DataDirectory = "/elsewhere" },
            "another run of the server" => theirs with { ServerRun = "1 since yesterday" },
            "wal-g" => theirs with { ServerRun = null, ProcessId = null },
            _ => theirs,
        });
        await RefusedAsync(what == "the name is held on the server" ? mine with { ServerRun = null } : mine);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("{\"hostn")]
    public async Task Objects_without_a_readable_claim_are_refused_and_left_as_they_are(string? document)
    {
        await fixture.Store.PutAsync(WalGLayout.Tar(Name, "part_001.tar.lz4").ToString(), new byte[1]);
        if (document is not null)
        {
            await fixture.Store.PutAsync(WalGLayout.Metadata(Name).ToString(), System.Text.Encoding.UTF8.GetBytes(document));
        }

        await RefusedAsync(Claim(Environment.ProcessId));
    }

    [Fact]
    public async Task A_finished_backup_says_no_longer_who_made_it_and_keeps_a_mark_made_meanwhile()
    {
        var claim = Claim(Environment.ProcessId);
        await TakeAsync(claim);
        await fixture.Archive.WriteDocumentAsync(
            WalGLayout.Metadata(Name), (claim with { IsPermanent = true }).ToJson(), TestContext.Current.CancellationToken);
        Assert.Empty(await ReleaseAsync(fixture.Archive, claim));
        var kept = BackupMetadata.Parse(await fixture.Store.GetAsync(WalGLayout.Metadata(Name).ToString()));
        Assert.Equal((claim with { IsPermanent = true, ServerRun = null, ProcessId = null }).ToJson(), kept.ToJson());
    }

    [Fact]
    public async Task A_store_that_fails_behind_the_sentinel_is_a_warning()
    {
        var claim = Claim(Environment.ProcessId);
        await TakeAsync(claim);
        fixture.Store = new FaultyObjectStore(fixture.Store, (call, _, _) =>
        {
            if (call == StoreCall.OpenWrite)
            {
                throw FaultyObjectStore.Transient();
            }
        });
        Assert.Contains("as the script says", Assert.Single(await ReleaseAsync(fixture.Archive, claim)), StringComparison.Ordinal);
    }

    private async Task<IReadOnlyList<string>> ReleaseAsync(WalRus.Archiving.Archive archive, BackupMetadata claim)
    {
        var warnings = new BackupWarnings(fixture.Log);
        await BackupClaim.ReleaseAsync(archive, Name, claim, TimeSpan.FromMinutes(1), warnings);
        return warnings.ToList();
    }

    private static BackupMetadata Claim(int process) => new()
    {
        StartTime = WalGTime.FromDateTimeOffset(DateTimeOffset.UtcNow),
        Hostname = "db1.example.org",
        DataDirectory = "/data",
        ServerRun = "1 since today",
        ProcessId = process,
    };

    /// <summary>A claim and a part, as a run leaves them that is killed.</summary>
    private async Task LeaveAsync(BackupMetadata claim)
    {
        await TakeAsync(claim);
        await fixture.Store.PutAsync(WalGLayout.Tar(Name, "part_001.tar.lz4").ToString(), new byte[1]);
    }

    private Task TakeAsync(BackupMetadata claim) =>
        BackupClaim.TakeAsync(fixture.Archive, Name, claim, fixture.Log, TestContext.Current.CancellationToken);

    private async Task RefusedAsync(BackupMetadata claim)
    {
        var before = await fixture.KeysAsync();
        await TakeAsync(claim).FailsAsync(ErrorCode.BackupExists);
        Assert.Equal(before, await fixture.KeysAsync());
    }
}
