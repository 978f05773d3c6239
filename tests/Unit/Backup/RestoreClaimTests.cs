using WalRus.Backup;

namespace WalRus.Tests.Backup;

/// <summary>What a killed restore left, and whose it is.</summary>
public sealed class RestoreClaimTests : IDisposable
{
    private readonly BackupFetchFixture fixture = new();

    private string Claim => Path.Combine(fixture.Destination, RestoreDestination.ClaimName);

    private string Left => Path.Combine(fixture.Destination, "left");

    public void Dispose() => fixture.Dispose();

    [Fact]
    public async Task What_a_killed_restore_left_is_restored_over()
    {
        await fixture.StoreAsync();
        Directory.CreateDirectory(fixture.Destination);
        File.WriteAllText(Left, "");
        var forced = fixture.Request with { Force = true };
        foreach (var foreign in (string[])[$"{BackupFetchFixture.SystemIdentifier + 1}", ""])
        {
            File.WriteAllText(Claim, foreign);
            await fixture.RefusedAsync(ErrorCode.DestinationNotEmpty);
            await fixture.RefusedAsync(ErrorCode.DestinationForeign, forced);
        }

        File.WriteAllText(Claim, $"{BackupFetchFixture.SystemIdentifier}");
        using (new FileStream(Claim, FileMode.Open, FileAccess.Write, FileShare.None))
        {
            await fixture.RefusedAsync(ErrorCode.DestinationNotEmpty);
            await fixture.RefusedAsync(ErrorCode.DestinationForeign, forced);
        }

        await fixture.FetchAsync();
        Assert.False(File.Exists(Claim));
        Assert.False(File.Exists(Left));
    }

    [Fact]
    public async Task A_restore_that_was_killed_as_it_began_is_no_obstacle()
    {
        await fixture.StoreAsync();
        Directory.CreateDirectory(fixture.Destination);
        File.WriteAllText(Claim, "");
        await fixture.FetchAsync();
        Assert.False(File.Exists(Claim));
    }

    [Theory]
    [InlineData("")]
    [InlineData("its own")]
    public async Task A_restore_that_was_killed_as_it_ended_is_emptied_only_by_force(string claim)
    {
        await fixture.StoreAsync();
        Directory.CreateDirectory(Path.Combine(fixture.Destination, "global"));
        File.WriteAllText(Path.Combine(fixture.Destination, "PG_VERSION"), "17\n");
        File.WriteAllText(Left, "");
        File.WriteAllBytes(Path.Combine(fixture.Destination, "global/pg_control"), BackupFetchFixture.ControlFileBytes());
        File.WriteAllText(Claim, claim.Length == 0 ? "" : $"{BackupFetchFixture.SystemIdentifier}");
        await fixture.RefusedAsync(ErrorCode.DestinationNotEmpty);
        await fixture.FetchAsync(fixture.Request with { Force = true });
        Assert.False(File.Exists(Claim));
        Assert.False(File.Exists(Left));
    }
}
