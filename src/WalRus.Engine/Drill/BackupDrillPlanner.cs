using WalRus.Archiving;
using WalRus.Backup;

namespace WalRus.Drill;

/// <summary>Decides what a drill will do: reads the archive's names and documents, and looks for PostgreSQL and room.</summary>
internal sealed class BackupDrillPlanner(Archive archive, IEventLog log)
{
    private const int OldestMajor = 13;

    /// <summary>The part of the WAL that may lie in pg_wal at the same time.</summary>
    private const long MaxWalBytes = 2L << 30;
    private const long SpareBytes = 64L << 20;

    public async Task<BackupDrillPlan> RunAsync(BackupDrillRequest request, CancellationToken cancellationToken)
    {
        var recovery = await new RecoveryPlanner(archive, log).RunAsync(
            new RecoveryPlanRequest { Target = request.Target, BackupName = request.BackupName }, cancellationToken)
                .ConfigureAwait(false);
        var backup = recovery.Backup;
        var content = recovery.Chain.Sum(step => step.UncompressedSize);
        var wal = Math.Min(MaxWalBytes, recovery.SegmentCount * recovery.SegmentSize.Bytes);
        return new BackupDrillPlan
        {
            Backup = backup,
            Recovery = recovery,
            Installation = FindInstallation(request, backup),
            NeededBytes = content + (content / 20) + wal + SpareBytes,
            FreeBytes = FreeBytes(request.ParentFolder),
            Phases = [.. Enum.GetValues<DrillPhaseName>().Where(phase => IsAsked(phase, request))],
        };
    }

    public static bool IsAsked(DrillPhaseName phase, BackupDrillRequest request) => phase switch
    {
        DrillPhaseName.Structure => request.Structure,
        DrillPhaseName.Query => request.Queries.Count > 0,
        DrillPhaseName.RowCount => request.CountRows || request.Baseline is not null,
        DrillPhaseName.Checksum => request.Checksums,
        _ => true,
    };

    private static PostgresInstallation FindInstallation(BackupDrillRequest request, BackupDetail backup)
    {
        var major = backup.PgVersion / 10000;
        if (major < OldestMajor)
        {
            throw new WalRusException(
                ErrorCode.PostgresVersionUnsupported,
                $"Backup '{backup.Name}' is of {(backup.PgVersion == 0 ? "an unknown PostgreSQL version" : $"PostgreSQL {major}")}: drills know {OldestMajor} and later.",
                "Restore it by hand.");
        }

        if (request.PostgresBin is not { } folder)
        {
            return PostgresInstallation.Find(major, searchPath: null);
        }

        var given = new PostgresInstallation(Path.GetFullPath(folder));
        return given.Has("postgres") && given.Has("pg_ctl") ? given : throw new WalRusException(
            ErrorCode.FileNotFound, $"'{folder}' does not hold PostgreSQL's programs.", "Name the folder with postgres and pg_ctl in it.");
    }

    private static long FreeBytes(string folder)
    {
        try
        {
            return new DriveInfo(Path.GetFullPath(folder)).AvailableFreeSpace;
        }
        catch (Exception unknown) when (unknown is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new WalRusException(
                ErrorCode.FileNotFound, $"The work folder '{folder}' cannot be looked at: {unknown.Message}", "Name an existing folder.", unknown);
        }
    }
}
