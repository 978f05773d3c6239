using System.Text.Json;
using WalRus.Backup;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.Tests.Contracts;
using WalRus.WalG;
using IncrementFormat = WalRus.Delta.IncrementFormat;

namespace WalRus.Tests.Backup;

/// <summary>wal-g's rules of what a backup becomes, on archives that hold nothing but the documents they are told by.</summary>
public sealed class DeltaPlannerTests : IDisposable
{
    private const string Full = "base_000000010000000000000004";
    private const string First = "base_000000010000000000000006_D_000000010000000000000004";
    private const string Second = "base_000000010000000000000008_D_000000010000000000000006";

    private readonly BackupPushFixture fixture = new();
    private int age;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static BackupPushRequest Request => new() { DataDirectory = "/nowhere" };

    public void Dispose() => fixture.Dispose();

    [Fact]
    public async Task The_first_backup_is_full_and_that_is_no_fallback() =>
        await BecomesFullAsync(new() { MaxSteps = 3 }, Request, "no backup yet", isFallback: false);

    [Fact]
    public async Task Without_steps_every_backup_is_full()
    {
        await PutAsync(Full);
        await BecomesFullAsync(new(), Request, "WALG_DELTA_MAX_STEPS", isFallback: false);
        await BecomesFullAsync(new() { FromName = Full }, Request, "WALG_DELTA_MAX_STEPS", isFallback: true);
    }

    [Fact]
    public async Task Asked_to_be_full_it_is()
    {
        await PutAsync(Full);
        await BecomesFullAsync(new() { MaxSteps = 3, FromName = Full }, Request with { Full = true }, "asked for", isFallback: false);
    }

    [Fact]
    public async Task The_newest_backup_is_the_parent_and_the_chain_ends_at_the_last_step()
    {
        await PutAsync(Full);
        await IsDeltaOfAsync(new() { MaxSteps = 2 }, Full, 1, Full);
        await PutAsync(First, Full, 1);
        await IsDeltaOfAsync(new() { MaxSteps = 2 }, First, 2, Full, First);
        await PutAsync(Second, First, 2);
        await BecomesFullAsync(new() { MaxSteps = 2 }, Request, "2 deltas", isFallback: false);
    }

    [Fact]
    public async Task From_the_latest_full_one_the_root_is_the_parent_and_steps_count_on()
    {
        await PutAsync(Full);
        await PutAsync(First, Full, 1);
        var options = new BackupDeltaOptions { MaxSteps = 2, Origin = DeltaOrigin.LatestFull };
        await IsDeltaOfAsync(options, Full, 2, Full);
        await BecomesFullAsync(options with { MaxSteps = 1 }, Request, "1 deltas", isFallback: false);
    }

    [Fact]
    public async Task A_parent_is_found_by_name_and_by_user_data()
    {
        await PutAsync(Full, userData: """{"team":"db","n":[1,2]}""");
        await PutAsync(First, Full, 1);
        await IsDeltaOfAsync(new() { MaxSteps = 3, FromName = Full }, Full, 1, Full);
        await IsDeltaOfAsync(new() { MaxSteps = 3, FromUserData = Json("""{"n":[1,2],"team":"db"}""") }, Full, 1, Full);
    }

    [Fact]
    public async Task A_named_parent_that_is_not_there_is_an_error()
    {
        await PutAsync(Full);
        await RefusesAsync(new() { MaxSteps = 3, FromName = First }, ErrorCode.BackupNotFound);
        await RefusesAsync(new() { MaxSteps = 3, FromUserData = Json("1") }, ErrorCode.BackupNotFound);
        await RefusesAsync(new() { MaxSteps = 3, FromUserData = Json("1"), FromName = Full }, ErrorCode.InvalidArgument);
    }

    [Fact]
    public async Task A_permanent_backup_is_the_parent_of_a_permanent_one_only_or_of_a_delta_from_the_latest_full_one()
    {
        await PutAsync(Full, isPermanent: true);
        await BecomesFullAsync(new() { MaxSteps = 3 }, Request, "permanent", isFallback: true);
        var plan = await PlanAsync(new() { MaxSteps = 3 }, Request with { Permanent = true });
        Assert.Equal(Full, plan.Parent?.Name.ToString());
        await IsDeltaOfAsync(new() { MaxSteps = 3, Origin = DeltaOrigin.LatestFull }, Full, 1, Full);
    }

    [Fact]
    public async Task Permanence_is_what_metadata_json_says()
    {
        await PutAsync(Full, isPermanent: true);
        var metadata = BackupMetadata.Parse(await fixture.Store.GetAsync($"basebackups_005/{Full}/metadata.json"));
        await fixture.Store.PutAsync($"basebackups_005/{Full}/metadata.json", (metadata with { IsPermanent = false }).ToJson());
        await IsDeltaOfAsync(new() { MaxSteps = 3 }, Full, 1, Full);
    }

    [Fact]
    public async Task What_a_parent_lacks_makes_a_full_backup_instead()
    {
        await PutAsync(Full);
        await fixture.Store.DeleteAsync([ObjectKey.Parse($"basebackups_005/{Full}/metadata.json")], Token);
        await BecomesFullAsync(new() { MaxSteps = 3 }, Request, "metadata.json", isFallback: true);
        await PutAsync(Full, change: sentinel => sentinel with { StartLsn = null });
        await BecomesFullAsync(new() { MaxSteps = 3 }, Request, "LSN", isFallback: true);
        await PutAsync(Full, change: sentinel => sentinel with { FilesMetadataDisabled = true });
        await BecomesFullAsync(new() { MaxSteps = 3 }, Request, "files_metadata.json", isFallback: true);
        await fixture.Store.PutAsync(WalGLayout.Sentinel(BackupName.Parse(Full)).ToString(), "{"u8.ToArray());
        await BecomesFullAsync(new() { MaxSteps = 3 }, Request, "cannot be read", isFallback: true);
    }

    [Fact]
    public async Task A_chain_that_lost_its_root_is_not_continued()
    {
        await PutAsync(First, Full, 1);
        await BecomesFullAsync(new() { MaxSteps = 3 }, Request, "does not hold", isFallback: true);
        await RefusesAsync(new() { MaxSteps = 3, FromName = First }, ErrorCode.BackupIncomplete);
    }

    [Fact]
    public async Task A_chain_keeps_to_one_increment_format()
    {
        await PutAsync(Full);
        await IsDeltaOfAsync(new() { MaxSteps = 3, Format = IncrementFormat.Native }, Full, 1, Full);
        await PutAsync(First, Full, 1, change: sentinel => sentinel with { IncrementFormat = "native" });
        await BecomesFullAsync(new() { MaxSteps = 3 }, Request, "increment format", isFallback: true);
        await IsDeltaOfAsync(new() { MaxSteps = 3, Format = IncrementFormat.Native }, First, 2, Full, First);
    }

    [Fact]
    public async Task A_backup_without_a_list_of_files_is_full_and_takes_no_parent()
    {
        await PutAsync(Full);
        fixture.Options = fixture.Options with { WithoutFilesMetadata = true };
        await BecomesFullAsync(new() { MaxSteps = 3 }, Request, "files_metadata.json", isFallback: true);
        await RefusesAsync(new() { MaxSteps = 3, FromName = Full }, ErrorCode.InvalidArgument);
    }

    private static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement;

    private Task<BackupPushPlan> PlanAsync(BackupDeltaOptions delta, BackupPushRequest request) =>
        new DeltaPlanner(fixture.Archive, fixture.Options with { Delta = delta }, fixture.Log).PlanAsync(request, Token);

    private async Task IsDeltaOfAsync(BackupDeltaOptions delta, string parent, int count, params string[] chain)
    {
        var plan = await PlanAsync(delta, Request);
        Assert.Equal(parent, plan.Parent?.Name.ToString());
        Assert.Equal(count, plan.Count);
        Assert.Equal(chain, plan.Chain.Select(step => step.Name.ToString()));
        Assert.False(plan.IsFallback);
    }

    private async Task BecomesFullAsync(BackupDeltaOptions delta, BackupPushRequest request, string why, bool isFallback)
    {
        var plan = await PlanAsync(delta, request);
        Assert.Null(plan.Parent);
        Assert.Empty(plan.Chain);
        Assert.Contains(why, plan.Reason, StringComparison.Ordinal);
        Assert.Equal(isFallback, plan.IsFallback);
    }

    private async Task RefusesAsync(BackupDeltaOptions delta, ErrorCode code)
    {
        var refused = await Assert.ThrowsAsync<WalRusException>(() => PlanAsync(delta, Request));
        Assert.Equal(code, refused.Code);
        Assert.NotNull(refused.Hint);
    }

    private async Task PutAsync(
        string name,
        string? parent = null,
        int count = 0,
        bool isPermanent = false,
        string? userData = null,
        Func<BackupSentinel, BackupSentinel>? change = null)
    {
        var backup = BackupName.Parse(name);
        static Lsn StartOf(string of) => new((ulong)BackupName.Parse(of).StartSegment.SegmentNumber(WalSegmentSize.Default) << 24);
        var sentinel = new BackupSentinel
        {
            StartLsn = StartOf(name),
            FinishLsn = StartOf(name) + 1000,
            PgVersion = 150000,
            SystemIdentifier = 7,
            IsPermanent = isPermanent,
            UserData = userData is null ? null : Json(userData),
            Delta = parent is null ? null : new BackupDelta(StartOf(parent), parent, Full, count),
        };
        sentinel = change?.Invoke(sentinel) ?? sentinel;
        await fixture.Store.PutAsync(WalGLayout.Metadata(backup).ToString(), sentinel.ToMetadata().ToJson());
        var key = WalGLayout.Sentinel(backup).ToString();
        await fixture.Store.PutAsync(key, sentinel.ToJson());
        File.SetLastWriteTimeUtc(fixture.Folder["archive", key], DateTime.UtcNow.AddHours(-10).AddMinutes(++age));
    }
}
