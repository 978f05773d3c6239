using System.Text.Unicode;
using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.WalG;

namespace WalRus.Verification;

/// <summary>A backup's sentinel and metadata.json, which say the same things twice.</summary>
/// <param name="Sentinel">Null when there is none or it cannot be read.</param>
/// <param name="Problems">What is wrong with the two.</param>
internal sealed record BackupDocuments(BackupSentinel? Sentinel, IReadOnlyList<ArchiveFinding> Problems)
{
    private const int MaxBytes = 4 << 20;

    public static async Task<BackupDocuments> ReadAsync(Archive archive, BackupName name, CancellationToken cancellationToken)
    {
        var problems = new List<ArchiveFinding>();
        BackupSentinel? sentinel = null;
        try
        {
            sentinel = await new BackupCatalog(archive).ReadSentinelAsync(name, cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException damaged) when (ExaminationFacts.IsDamage(damaged))
        {
            problems.Add(ArchiveFinding.Error(FindingKind.BackupDocumentDamaged, WalGLayout.Sentinel(name), damaged.Message));
        }

        if (sentinel is not null)
        {
            problems.AddRange(ProblemsOf(name, sentinel)
                .Select(problem => ArchiveFinding.Error(FindingKind.BackupDocumentDamaged, WalGLayout.Sentinel(name), problem)));
        }

        if (await ProblemOfMetadataAsync(archive, name, sentinel, cancellationToken).ConfigureAwait(false) is { } other)
        {
            problems.Add(ArchiveFinding.Error(FindingKind.BackupDocumentDamaged, WalGLayout.Metadata(name), other));
        }

        return new BackupDocuments(sentinel, problems);
    }

    private static IEnumerable<string> ProblemsOf(BackupName name, BackupSentinel sentinel)
    {
        if (sentinel.StartLsn is { IsValid: true } start && sentinel.FinishLsn is { } finish && finish < start)
        {
            yield return $"It ends at {finish}, before its start at {start}.";
        }

        if (sentinel.Version < BackupSentinel.CurrentVersion && !sentinel.StartTime.IsZero)
        {
            yield return "It is of an old version, yet has the times that came with the new one.";
        }

        if (sentinel.Version > BackupSentinel.CurrentVersion || sentinel.IncrementFormat is not (null or BackupSentinel.NativeIncrementFormat))
        {
            yield return $"It is of version {sentinel.Version}, its increments of format '{sentinel.IncrementFormat}': no tool of today writes that.";
        }

        if (name.IsDelta && sentinel.Delta is null)
        {
            yield return "The backup is a delta by its name and a full one by its sentinel.";
        }
    }

    /// <summary>Marking a backup changes one of the two only, so permanence may differ.</summary>
    private static async Task<string?> ProblemOfMetadataAsync(
        Archive archive, BackupName name, BackupSentinel? sentinel, CancellationToken cancellationToken)
    {
        try
        {
            var json = await archive.ReadDocumentAsync(WalGLayout.Metadata(name), MaxBytes, cancellationToken).ConfigureAwait(false);
            if (json is null)
            {
                return sentinel is { Version: >= BackupSentinel.CurrentVersion } ? "It is missing; the backup's sentinel says what it said." : null;
            }

            var metadata = BackupMetadata.Parse(json);
            return !Utf8.IsValid(json) ? "It holds bytes that are no text."
                : sentinel is not null && IsOther(sentinel, metadata) ? "It contradicts the backup's sentinel."
                : null;
        }
        catch (WalRusException damaged) when (ExaminationFacts.IsDamage(damaged))
        {
            return damaged.Message;
        }
    }

    private static bool IsOther(BackupSentinel sentinel, BackupMetadata metadata) =>
        sentinel.Version >= BackupSentinel.CurrentVersion
        && !sentinel.ToMetadata().ToJson().AsSpan().SequenceEqual(
            (metadata with { IsPermanent = sentinel.IsPermanent, ServerRun = null, ProcessId = null }).ToJson());
}
