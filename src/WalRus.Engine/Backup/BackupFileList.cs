using WalRus.Archiving;
using WalRus.Storage;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>
/// A backup's own list of its files (<c>files_metadata.json</c>, or the sentinel of a version-1 backup), read as a stream
/// each time: it may name millions.
/// </summary>
internal sealed class BackupFileList(Archive archive, BackupFetchStep step)
{
    private const int ShownNames = 3;

    /// <summary>
    /// The tars to read: parts that the list knows nothing of were left by an earlier backup of the same name and hold
    /// other versions of the same files. A list that names no part says nothing.
    /// </summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.BackupIncomplete"/> when there must be a list and is none.</exception>
    public async Task<IReadOnlyList<ObjectKey>> KnownTarsAsync(IEventLog log, CancellationToken cancellationToken)
    {
        var listed = new HashSet<string>(StringComparer.Ordinal);
        var document = await OpenAsync(cancellationToken).ConfigureAwait(false);
        if (document is null)
        {
            return step.DataTars;
        }

        await using (document.ConfigureAwait(false))
        {
            var members = FilesMetadataReader.ReadTarFileSetsAsync(document, cancellationToken).ConfigureAwait(false);
            await foreach (var member in members)
            {
                if (IsPart(member.Tar))
                {
                    listed.Add(WithoutCodec(member.Tar));
                }
            }
        }

        if (listed.Count == 0)
        {
            return step.DataTars;
        }

        var known = step.DataTars.Where(tar => !IsPart(tar.Name) || listed.Contains(WithoutCodec(tar.Name))).ToList();
        foreach (var stale in step.DataTars.Except(known))
        {
            log.RestoreSkipsObject(stale.ToString(), "the backup does not list it");
        }

        return known;
    }

    /// <summary>Holds that everything the list names is there now, so that a lost tar is no silent hole.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.BackupIncomplete"/>, naming some of what is missing.</exception>
    public async Task CheckRestoredAsync(
        TarExtractor extractor, TablespaceLayout layout, CancellationToken cancellationToken)
    {
        var document = await OpenAsync(cancellationToken).ConfigureAwait(false);
        if (document is null)
        {
            return;
        }

        var missingCount = 0L;
        var shown = new List<string>(ShownNames);
        await using (document.ConfigureAwait(false))
        {
            var files = FilesMetadataReader.ReadFilesAsync(document, cancellationToken).ConfigureAwait(false);
            await foreach (var file in files)
            {
                if (IsThere(file, extractor, layout))
                {
                    continue;
                }

                missingCount++;
                if (shown.Count < ShownNames)
                {
                    shown.Add(file.Name);
                }
            }
        }

        if (missingCount > 0)
        {
            throw new WalRusException(
                ErrorCode.BackupIncomplete,
                $"Backup '{step.Name}' lacks {missingCount} of the files it lists ({string.Join(", ", shown)}{(missingCount > shown.Count ? ", ..." : "")}).",
                "One of its tar archives was removed or damaged. Choose another backup.");
        }
    }

    private static bool IsThere(in FilesMetadataEntry file, TarExtractor extractor, TablespaceLayout layout)
    {
        var relative = RestorePath.Normalize(file.Name, "files_metadata.json");
        return file.IsSkipped
            || !extractor.Includes(relative)
            || (relative == TarExtractor.ControlFile
                ? extractor.ControlFileContent is not null
                : Path.Exists(layout.PathOf(relative)) || extractor.WasNotRestorable(relative));
    }

    /// <summary>"part_001.tar" in any codec; copies made by wal-g's copy composer have other names.</summary>
    private static bool IsPart(string tar) => tar.StartsWith("part_", StringComparison.Ordinal);

    /// <summary>WAL-RUS lists its parts without the codec's extension.</summary>
    private static string WithoutCodec(string tar)
    {
        var at = tar.LastIndexOf(".tar", StringComparison.Ordinal);
        return at < 0 ? tar : tar[..(at + ".tar".Length)];
    }

    /// <returns>Null when this backup has no list.</returns>
    private async ValueTask<Stream?> OpenAsync(CancellationToken cancellationToken)
    {
        var isOld = step.Sentinel.Version < BackupSentinel.CurrentVersion;
        var key = WalGLayout.FilesMetadata(step.Name);
        try
        {
            return await archive.Store.OpenReadAsync(key, null, cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException missing) when (missing.Code == ErrorCode.ObjectNotFound)
        {
            if (step.Sentinel.RequiresFilesMetadata)
            {
                throw new WalRusException(
                    ErrorCode.BackupIncomplete,
                    $"Backup '{step.Name}' has lost its files_metadata.json: whether its files are all there cannot be told.",
                    "Choose another backup, and find out what removed this one's objects.",
                    missing);
            }
        }

        return isOld
            ? await archive.Store.OpenReadAsync(WalGLayout.Sentinel(step.Name), null, cancellationToken).ConfigureAwait(false)
            : null;
    }
}
