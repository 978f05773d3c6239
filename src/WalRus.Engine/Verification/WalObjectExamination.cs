using System.Text.Unicode;
using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.Streaming;
using WalRus.WalG;

namespace WalRus.Verification;

/// <summary>Reads one object of the WAL folder to its end, and holds it against what its name says.</summary>
internal sealed class WalObjectExamination(Archive archive, NativeBufferPool buffers, ExaminationFacts facts)
{
    /// <summary>A group of sidecars' bounds: more is nothing that any tool writes there.</summary>
    private const int MaxSmallBytes = 64 << 20;

    private readonly SegmentExamination segments = new(archive, buffers, facts);

    /// <returns>The first thing that is wrong; null for a good object, a foreign one, or one that is gone since.</returns>
    public async Task<ArchiveFinding?> RunAsync(WalObject item, CancellationToken cancellationToken)
    {
        try
        {
            return item.Kind switch
            {
                WalObjectKind.Segment or WalObjectKind.PartialSegment => await segments.RunAsync(
                    item.Key, item.Segment!.Value, item.Kind == WalObjectKind.PartialSegment, cancellationToken).ConfigureAwait(false),
                WalObjectKind.TimelineHistory => await CheckSmallAsync(item, FindingKind.HistoryDamaged, CheckHistory, cancellationToken)
                    .ConfigureAwait(false),
                WalObjectKind.BackupHistory => await CheckSmallAsync(item, FindingKind.HistoryDamaged, CheckBackupHistory, cancellationToken)
                    .ConfigureAwait(false),
                WalObjectKind.DeltaSidecar when item.FileName.EndsWith("_delta", StringComparison.Ordinal) =>
                    await CheckSidecarAsync(item, cancellationToken).ConfigureAwait(false),
                WalObjectKind.DeltaSidecar => await CheckSmallAsync(item, FindingKind.SidecarDamaged, CheckFileChanges, cancellationToken)
                    .ConfigureAwait(false),
                WalObjectKind.Metadata => await CheckSmallAsync(item, FindingKind.SidecarDamaged, CheckMetadata, cancellationToken)
                    .ConfigureAwait(false),
                _ => null,
            };
        }
        catch (WalRusException damaged) when (ExaminationFacts.IsDamage(damaged))
        {
            return Finding(
                item.Kind is WalObjectKind.DeltaSidecar or WalObjectKind.Metadata ? FindingKind.SidecarDamaged : FindingKind.ObjectUnreadable,
                item, damaged.Message);
        }
        catch (WalRusException gone) when (gone.Code == ErrorCode.ObjectNotFound)
        {
            return null;
        }
    }

    private static string? CheckHistory(WalObject item, byte[] content) =>
        content.Length == 0 || content[^1] != '\n' ? "It ends in the middle of a line."
            : TimelineHistory.Parse(item.Timeline!.Value, content).Switches.Count == 0 ? "It names no timeline that this one came from." : null;

    private static string? CheckBackupHistory(WalObject item, byte[] content)
    {
        var label = BackupLabel.Parse(content);
        return label.StartSegment != item.Segment ? $"It is of a backup that starts in {label.StartSegment}."
            : label.StopLsn is null || content[^1] != '\n' || content.AsSpan().IndexOf("\nSTOP TIMELINE: "u8) < 0 ? "It does not say where its backup ends." : null;
    }

    private static string? CheckMetadata(WalObject item, byte[] content)
    {
        try
        {
            using var document = System.Text.Json.JsonDocument.Parse(content);
            return document.RootElement.ValueKind == System.Text.Json.JsonValueKind.Object ? null : "It is no JSON object.";
        }
        catch (System.Text.Json.JsonException malformed)
        {
            return $"It is no JSON: {malformed.Message}";
        }
    }

    private static string? ProblemOf(DeltaFileChanges changes, long length, uint checksum) =>
        changes.SidecarLength == length && changes.SidecarChecksum == checksum ? null : "It is not the list that its _delta_files was stored with.";

    /// <summary>Only what WalRus recorded says what the sidecar must be; damage of that is a finding of its own.</summary>
    private async Task<DeltaFileChanges?> FindFileChangesAsync(WalObject item, CancellationToken cancellationToken)
    {
        var found = await archive
            .FindAsync(WalGLayout.Wal(DeltaFileChanges.NameOf(item.Segment!.Value)), cancellationToken).ConfigureAwait(false);
        if (found is null)
        {
            return null;
        }

        try
        {
            var source = await archive.OpenReadAsync(found.Key, cancellationToken).ConfigureAwait(false);
            await using var close = source.ConfigureAwait(false);
            return await DeltaFileChanges.ReadAsync(source, cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException damaged) when (ExaminationFacts.IsDamage(damaged) || damaged.Code == ErrorCode.ObjectNotFound)
        {
            return null;
        }
    }

    private string? CheckFileChanges(WalObject item, byte[] content) => DeltaFileChanges.Parse(content) is var changes && facts.SystemIdentifier is { } known && changes.SystemIdentifier != known
            ? $"It is of the cluster {changes.SystemIdentifier}, the archive's is {known}." : null;

    /// <summary>A busy group's sidecar has any length, so it is not kept.</summary>
    private async Task<ArchiveFinding?> CheckSidecarAsync(WalObject item, CancellationToken cancellationToken)
    {
        using var buffer = await buffers.RentAsync(NativeBufferPool.WorkingBytes, cancellationToken).ConfigureAwait(false);
        var source = await archive.OpenReadAsync(item.Key, cancellationToken).ConfigureAwait(false);
        await using var close = source.ConfigureAwait(false);
        var (length, checksum) = await DeltaSidecar.ReadAsync(source, buffer.Memory, static (_, _) => { }, cancellationToken).ConfigureAwait(false);
        return await FindFileChangesAsync(item, cancellationToken).ConfigureAwait(false) is { } changes && ProblemOf(changes, length, checksum) is { } problem
            ? Finding(FindingKind.SidecarDamaged, item, problem) : null;
    }

    private async Task<ArchiveFinding?> CheckSmallAsync(
        WalObject item, FindingKind kind, Func<WalObject, byte[], string?> check, CancellationToken cancellationToken)
    {
        using var content = new MemoryStream();
        using (var buffer = await buffers.RentAsync(NativeBufferPool.WorkingBytes, cancellationToken).ConfigureAwait(false))
        {
            var source = item.Kind == WalObjectKind.Metadata
                ? await archive.Store.OpenReadAsync(item.Key, null, cancellationToken).ConfigureAwait(false)
                : await archive.OpenReadAsync(item.Key, cancellationToken).ConfigureAwait(false);
            await using var close = source.ConfigureAwait(false);
            int count;
            while ((count = await source.ReadAsync(buffer.Memory, cancellationToken).ConfigureAwait(false)) > 0)
            {
                content.Write(buffer.Memory.Span[..count]);
                if (content.Length > MaxSmallBytes)
                {
                    return Finding(kind, item, $"It is larger than {MaxSmallBytes >> 20} MiB, and so not what its name says.");
                }
            }
        }

        try
        {
            // All but sidecars are text; where no checksum protects it, that is often what a flipped bit ends.
            var bytes = content.ToArray();
            var asText = item.Kind == WalObjectKind.DeltaSidecar || Utf8.IsValid(bytes) ? null : "It holds bytes that are no text.";
            return (asText ?? check(item, bytes)) is { } problem ? Finding(kind, item, problem) : null;
        }
        catch (WalRusException damaged) when (ExaminationFacts.IsDamage(damaged))
        {
            return Finding(kind, item, damaged.Message);
        }
    }

    /// <summary>Without sidecars and metadata nothing is lost but time.</summary>
    private static ArchiveFinding Finding(FindingKind kind, WalObject item, string message) => kind == FindingKind.SidecarDamaged
        ? ArchiveFinding.Warning(kind, item.Key, message) : ArchiveFinding.Error(kind, item.Key, message);
}
