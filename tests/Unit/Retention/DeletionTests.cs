using Amazon.S3;
using Amazon.S3.Model;
using WalRus.Archiving;
using WalRus.Compression;
using WalRus.Postgres;
using WalRus.Retention;
using WalRus.Storage;
using WalRus.Storage.S3;
using WalRus.Streaming;
using WalRus.Tests.Contracts;
using WalRus.WalG;
using DeletedObject = WalRus.Retention.DeletedObject;

namespace WalRus.Tests.Retention;

/// <summary>Deleting on the real S3 server where it refuses, and what happens between a plan and its execution.</summary>
public sealed class DeletionTests : IDisposable
{
    private static readonly WalSegmentSize Size = WalSegmentSize.Default;

    private readonly NativeBufferPool buffers = new(40 << 20);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => buffers.Dispose();

    [Fact]
    public async Task A_backup_whose_sentinel_is_locked_stays_whole_with_its_parent_and_its_wal()
    {
        await using var bucket = await LockedBucketAsync();
        await using var store = new S3ObjectStore(bucket.Options("cluster"), buffers);
        var archive = new Archive(store, new NoneCodec(), Codecs.ReadOrder, null);
        var full = await BackupAsync(store, 3, null);
        var delta = await BackupAsync(store, 6, full);
        var spared = await BackupAsync(store, 9, null);
        await WalAsync(store, 1, 12);
        var sentinel = $"cluster/{WalGLayout.Sentinel(delta)}";
        await LockAsync(bucket, sentinel, locked: true);

        var deleted = await DeleteBeforeAsync(archive, spared);
        Assert.Equal(2, deleted.Count(item => item.Failure is not null && item.Object.Kind == PlannedObjectKind.Sentinel));
        Assert.Contains("AccessDenied", deleted[0].Failure, StringComparison.Ordinal);
        var left = await store.NamesAsync(new ListRequest { Folder = "", Recursive = true });
        Assert.Superset(KeysOf(full).Concat(KeysOf(delta)).ToHashSet(), left.ToHashSet());
        string[] wal = [.. left.Where(key => key.StartsWith("wal_005/", StringComparison.Ordinal)).Select(key => key[^2..])];
        Assert.Equal(["03", "06", "09", "0A", "0B", "0C"], wal);

        // When the lock is gone, the same command deletes the rest.
        await LockAsync(bucket, sentinel, locked: false);
        Assert.All(await DeleteBeforeAsync(archive, spared), item => Assert.Null(item.Failure));
        left = await store.NamesAsync(new ListRequest { Folder = "", Recursive = true });
        Assert.Equal(KeysOf(spared).Count() + 4, left.Length);
    }

    [Fact]
    public async Task Locked_data_of_a_deleted_backup_is_said_and_goes_later()
    {
        await using var bucket = await LockedBucketAsync();
        await using var store = new S3ObjectStore(bucket.Options("cluster"), buffers);
        var archive = new Archive(store, new NoneCodec(), Codecs.ReadOrder, null);
        var old = await BackupAsync(store, 3, null);
        var spared = await BackupAsync(store, 9, null);
        var part = $"{WalGLayout.TarPartitions(old)}/part_001.tar";
        await LockAsync(bucket, $"cluster/{part}", locked: true);

        var failed = Assert.Single(await DeleteBeforeAsync(archive, spared), item => item.Failure is not null);
        Assert.Equal(part, failed.Object.Key.ToString());
        await new BackupCatalog(archive).FindAsync(old.ToString(), Cancel).FailsAsync(ErrorCode.BackupNotFound);
        await LockAsync(bucket, $"cluster/{part}", locked: false);
        var rest = Assert.Single(await DeleteBeforeAsync(archive, spared, TimeSpan.Zero));
        Assert.Null(rest.Failure);
        Assert.Equal(RetentionRule.Leftover, rest.Object.Rule);
    }

    [Fact]
    public async Task A_plan_is_not_carried_out_when_a_delta_was_begun_on_what_it_drops_or_that_is_permanent_now()
    {
        using var folder = new TemporaryFolder();
        var store = new WalRus.Storage.FileSystem.FileSystemObjectStore(folder.FullName);
        var archive = new Archive(store, new NoneCodec(), Codecs.ReadOrder, null);
        var old = await BackupAsync(store, 3, null);
        var spared = await BackupAsync(store, 9, null);
        var (planner, deletion) = Of(archive, TimeSpan.FromDays(1));
        var inventory = await planner.ReadAsync(Cancel);
        var plan = planner.PlanBefore(inventory, inventory.Find(spared.ToString())!, default);
        using var spool = await deletion.SpoolAsync(plan, Cancel);

        var begun = BackupName.Delta(Segment(12), old);
        await store.PutAsync(WalGLayout.Metadata(begun).ToString(), "{}"u8.ToArray());
        await ReadAllAsync(deletion, spool).FailsAsync(ErrorCode.ArchiveChanged);
        await store.DeleteAsync([WalGLayout.Metadata(begun)], Cancel);
        var detail = await new BackupCatalog(archive).FindAsync(old.ToString(), Cancel);
        await new BackupMark(archive, NullEventLog.Instance).MakePermanentAsync(detail, Cancel);
        var failure = await ReadAllAsync(deletion, spool).FailsAsync(ErrorCode.ArchiveChanged);
        Assert.Contains("permanent", failure.Message, StringComparison.Ordinal);
        Assert.True(await store.HasAsync(WalGLayout.Sentinel(old).ToString()));
    }

    [Fact]
    public async Task A_mark_of_wal_rus_in_the_sentinel_counts_until_wal_g_takes_it_back()
    {
        using var folder = new TemporaryFolder();
        var store = new WalRus.Storage.FileSystem.FileSystemObjectStore(folder.FullName);
        var archive = new Archive(store, new NoneCodec(), Codecs.ReadOrder, null);
        var name = await BackupAsync(store, 3, null);
        var sentinel = await new BackupCatalog(archive).ReadSentinelAsync(name, Cancel);
        await store.PutAsync(WalGLayout.Sentinel(name).ToString(), (sentinel! with { IsPermanent = true }).ToJson());
        var marked = await new BackupCatalog(archive).FindAsync(name.ToString(), Cancel);
        Assert.True(marked.IsPermanent);
        await new BackupMark(archive, NullEventLog.Instance).MakeImpermanentAsync(marked, Cancel);
        Assert.False((await new BackupCatalog(archive).FindAsync(name.ToString(), Cancel)).IsPermanent);
    }

    private static (DeletionPlanner Planner, ArchiveDeletion Deletion) Of(Archive archive, TimeSpan unfinishedAge) => (
        new DeletionPlanner(archive, new DeletionOptions { UnfinishedAge = unfinishedAge }, NullEventLog.Instance),
        new ArchiveDeletion(archive, NullEventLog.Instance));

    private static async Task<List<DeletedObject>> DeleteBeforeAsync(Archive archive, BackupName spared, TimeSpan? unfinishedAge = null)
    {
        var (planner, deletion) = Of(archive, unfinishedAge ?? TimeSpan.FromDays(1));
        var inventory = await planner.ReadAsync(Cancel);
        using var spool = await deletion.SpoolAsync(planner.PlanBefore(inventory, inventory.Find(spared.ToString())!, default), Cancel);
        return await ReadAllAsync(deletion, spool);
    }

    private static async Task<List<DeletedObject>> ReadAllAsync(ArchiveDeletion deletion, PlanSpool spool)
    {
        var all = new List<DeletedObject>();
        await foreach (var item in deletion.RunAsync(spool, Cancel))
        {
            all.Add(item);
        }

        return all;
    }

    private static async Task<S3Bucket> LockedBucketAsync()
    {
        var made = await S3Server.NewBucketAsync();
        await made.DisposeAsync();
        await S3Server.Client.PutBucketAsync(new PutBucketRequest { BucketName = made.Name, ObjectLockEnabledForBucket = true }, Cancel);
        return made;
    }

    private static async Task LockAsync(S3Bucket bucket, string key, bool locked) => await S3Server.Client.PutObjectLegalHoldAsync(
        new PutObjectLegalHoldRequest
        {
            BucketName = bucket.Name,
            Key = key,
            LegalHold = new ObjectLockLegalHold { Status = locked ? ObjectLockLegalHoldStatus.On : ObjectLockLegalHoldStatus.Off },
        },
        Cancel);

    private static WalFileName Segment(ulong number) => WalFileName.FromSegment(new TimelineId(1), number, Size);

    private static async Task<BackupName> BackupAsync(IObjectStore store, ulong segment, BackupName? parent)
    {
        var name = parent is { } based ? BackupName.Delta(Segment(segment), based) : BackupName.Full(Segment(segment));
        var now = WalGTime.FromDateTimeOffset(DateTimeOffset.UtcNow);
        var sentinel = new BackupSentinel
        {
            StartLsn = Size.StartOf(segment) + 0x28ul,
            FinishLsn = Size.StartOf(segment) + 0x100ul,
            StartTime = now,
            FinishTime = now,
            Delta = parent is { } from ? new BackupDelta(from.StartSegment.StartLsn(Size) + 0x28ul, from.ToString(), from.ToString(), 1) : null,
        };
        await store.PutAsync($"{WalGLayout.TarPartitions(name)}/part_001.tar", "x"u8.ToArray());
        await store.PutAsync(WalGLayout.Metadata(name).ToString(), sentinel.ToMetadata().ToJson());
        await store.PutAsync(WalGLayout.Sentinel(name).ToString(), sentinel.ToJson());
        return name;
    }

    private static IEnumerable<string> KeysOf(BackupName name) =>
    [
        $"{WalGLayout.TarPartitions(name)}/part_001.tar", WalGLayout.Metadata(name).ToString(), WalGLayout.Sentinel(name).ToString(),
    ];

    private static async Task WalAsync(IObjectStore store, ulong first, ulong last)
    {
        for (var number = first; number <= last; number++)
        {
            await store.PutAsync($"wal_005/{Segment(number)}", "x"u8.ToArray());
        }
    }
}
