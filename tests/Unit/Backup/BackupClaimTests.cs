using WalRus.Backup;
using WalRus.Tests.Contracts;
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
