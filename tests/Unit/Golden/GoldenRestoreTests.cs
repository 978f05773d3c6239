using System.Globalization;
using System.Text.RegularExpressions;
using WalRus.Backup;
using WalRus.Postgres;
using WalRus.WalG;

namespace WalRus.Tests.Golden;

/// <summary>
/// Archives that real wal-g and WAL-RUS wrote: each backup restored, a server of its version started on it,
/// recovered through the walrus executable, and asked. WALRUS_TEST_FULL=1 takes every archive of this machine, every
/// point and every kind of target.
/// </summary>
public sealed class GoldenRestoreTests
{
    private static readonly bool Full = Environment.GetEnvironmentVariable("WALRUS_TEST_FULL") == "1";

    private static readonly string[] Kinds = ["time", "xid", "lsn", "name"];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string, string, string, string> Recoveries()
    {
        var recoveries = new TheoryData<string, string, string, string>();
        var ordinal = 0;
        foreach (var archive in Full ? GoldenArchive.All() : GoldenArchive.InRepository())
        {
            var golden = GoldenDescription.Read(archive);
            foreach (var backup in golden.Backups)
            {
                var points = golden.ReachableFrom(backup);
                foreach (var kind in Full ? Kinds : [Kinds[ordinal % Kinds.Length]])
                {
                    foreach (var point in Full ? points : [points[ordinal % points.Count]])
                    {
                        recoveries.Add(archive.Name, backup.Name, kind, point.Name);
                    }
                }

                ordinal++;
            }
        }

        return recoveries;
    }

    public static TheoryData<string> Archives() =>
        [.. (Full ? GoldenArchive.All() : GoldenArchive.InRepository()).Select(archive => archive.Name)];

    [Theory]
    [MemberData(nameof(Recoveries))]
    public async Task A_point_is_recovered_as_it_was(string archiveName, string backup, string kind, string pointName)
    {
        var archive = GoldenArchive.Open(archiveName);
        var golden = GoldenDescription.Read(archive);
        var point = golden.Points.Single(candidate => candidate.Name == pointName);
        var environment = new Dictionary<string, string>();
        await using var cluster = await PostgresCluster.OverExistingAsync(new PostgresClusterOptions
        {
            Major = golden.Postgres,
            Archiving = false,
            Environment = environment,
        });
        await GoldenPlace.UnpackAsync(archive, golden, cluster.WorkFolder, environment);
        Directory.CreateDirectory(cluster.DataDirectory);
        await cluster.TakeOwnershipAsync();
        await using (var engine = GoldenPlace.OpenEngine(environment))
        {
            var request = new BackupFetchRequest
            {
                Name = BackupName.Parse(backup),
                Destination = cluster.DataDirectory,
                Tablespaces = await GoldenPlace.MappingAsync(engine, backup, cluster.WorkFolder),
                Recovery = new RecoverySettings { Target = Target(kind, point), RestoreCommand = GoldenPlace.RestoreCommandFor(cluster.WorkFolder) },
            };
            await engine.CreateBackupFetch().RunAsync(request, Token);
        }

        cluster.WriteSettings();
        await cluster.TakeOwnershipAsync();
        await cluster.StartAsync();
        await PostgresCluster.UntilAsync(() => cluster.ScalarAsync<bool>("SELECT NOT pg_is_in_recovery()"));
        foreach (var (database, answer) in point.Answer)
        {
            Assert.Equal((database, answer), (database, await cluster.ScalarAsync<string>(AnswerQuery(), database)));
        }
    }

    [Theory]
    [MemberData(nameof(Archives))]
    public async Task A_plan_chooses_a_backup_that_reaches_the_point(string archiveName)
    {
        var archive = GoldenArchive.Open(archiveName);
        var golden = GoldenDescription.Read(archive);
        using var folder = new TemporaryFolder();
        var environment = new Dictionary<string, string>();
        await GoldenPlace.UnpackAsync(archive, golden, folder.FullName, environment);
        await using var engine = GoldenPlace.OpenEngine(environment);
        var planner = engine.CreateRecoveryPlanner();
        foreach (var point in golden.Points)
        {
            var reaching = golden.Backups.Where(backup => golden.ReachableFrom(backup).Contains(point)).ToList();
            foreach (var kind in reaching.Count > 0 ? Kinds : [])
            {
                var plan = await planner.RunAsync(new RecoveryPlanRequest { Target = Target(kind, point) }, Token);
                Assert.Equal((point.Name, kind, reaching[^1].Name), (point.Name, kind, plan.Backup.Name.ToString()));
                Assert.Equal(golden.WalSegmentSizeMb << 20, plan.SegmentSize.Bytes);
                Assert.Empty(plan.Warnings);
                AssertStop(kind, point, plan.Stop);
            }
        }

        var first = DateTimeOffset.Parse(golden.Points[0].Time, CultureInfo.InvariantCulture).AddDays(-1);
        var refused = await Assert.ThrowsAsync<WalRusException>(
            () => planner.RunAsync(new RecoveryPlanRequest { Target = new RecoveryTarget { Time = first } }, Token));
        Assert.Equal(ErrorCode.RecoveryTargetUnreachable, refused.Code);
    }

    private static void AssertStop(string kind, GoldenPoint point, WalFact? stop)
    {
        switch (kind)
        {
            case "name":
                Assert.Equal((point.Name, point.LsnBefore, point.Lsn), (stop?.Name, stop?.Lsn.ToString(), stop?.EndLsn.ToString()));
                break;
            case "xid" or "time":
                Assert.Equal((point.Name, point.LastCommittedXid), (point.Name, stop?.Xid ?? 0));
                Assert.True(stop!.Time <= DateTimeOffset.Parse(point.Time, CultureInfo.InvariantCulture));
                break;
        }
    }

    private static RecoveryTarget Target(string kind, GoldenPoint point) => kind switch
    {
        "time" => new RecoveryTarget { Time = DateTimeOffset.Parse(point.Time, CultureInfo.InvariantCulture) },
        "lsn" => new RecoveryTarget { Lsn = Lsn.Parse(point.Lsn) },
        "xid" => new RecoveryTarget { Xid = point.LastCommittedXid },
        _ => new RecoveryTarget { Name = point.Name },
    };

    private static string AnswerQuery()
    {
        var file = Path.Combine(Repository.Root, "tests", "Unit", "Golden", "answer.sql");
        return Regex.Replace(File.ReadAllText(file), "^--.*\n", "").Trim().TrimEnd(';');
    }
}
