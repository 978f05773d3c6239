using WalRus.Archiving;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>
/// A backup's own list of its files (<c>files_metadata.json</c>, or the sentinel of a version-1 backup), read as a stream
/// each time: it may name millions.
/// </summary>
internal sealed class BackupFileList(Archive archive, BackupFetchStep step)
{
    /// <summary>What is read of the list: each file by its safe relative name.</summary>
    /// <param name="take">Called for each line.</param>
    /// <param name="cancellationToken">Stops the reading.</param>
    /// <returns>False when this backup has no list.</returns>
    /// <exception cref="WalRusException"><see cref="ErrorCode.BackupIncomplete"/> when there must be a list and is none.</exception>
    public async Task<bool> ReadFilesAsync(FileTaker take, CancellationToken cancellationToken)
    {
        var document = await OpenAsync(cancellationToken).ConfigureAwait(false);
        if (document is null)
        {
            return false;
        }

        await using (document.ConfigureAwait(false))
        {
            var files = FilesMetadataReader.ReadFilesAsync(document, cancellationToken).ConfigureAwait(false);
            await foreach (var file in files)
            {
                var relative = RestorePath.Normalize(file.Name, "files_metadata.json");
                var isNative = RestorePath.TryPlainName(ref relative);
                take(relative, isNative ? file with { IsIncremented = true } : file);
            }
        }

        return true;
    }

    /// <summary>Which of the step's tars to read.</summary>
    /// <param name="isWanted">Of a member, by its safe relative name.</param>
    /// <param name="log">Hears of parts that are not the backup's.</param>
    /// <param name="cancellationToken">Stops the reading.</param>
    /// <exception cref="WalRusException"><see cref="ErrorCode.BackupIncomplete"/>: one that is wanted is not there.</exception>
    public async Task<TarChoice> ChooseTarsAsync(
        Func<string, bool> isWanted, IEventLog log, CancellationToken cancellationToken)
    {
        // By the tar's name without its codec: false as long as nothing wanted was seen in it.
        var listed = new Dictionary<string, bool>(StringComparer.Ordinal);
        var checksums = new Dictionary<string, uint>(StringComparer.Ordinal);
        var document = await OpenAsync(cancellationToken).ConfigureAwait(false);
        if (document is not null)
        {
            await using (document.ConfigureAwait(false))
            {
                const FilesMetadataSections Sections = FilesMetadataSections.TarFileSets | FilesMetadataSections.TarChecksums;
                await foreach (var item in FilesMetadataReader.ReadAsync(document, Sections, cancellationToken).ConfigureAwait(false))
                {
                    if (item.Section == FilesMetadataSections.TarChecksums)
                    {
                        checksums[WithoutCodec(item.TarChecksum.Tar)] = item.TarChecksum.Crc32C;
                        continue;
                    }

                    var (name, member) = (WithoutCodec(item.TarMember.Tar), item.TarMember.Member);
                    listed[name] = (listed.TryGetValue(name, out var wanted) && wanted) || (member is not null && IsWanted(member, isWanted));
                }
            }
        }

        var chosen = Choose(listed, log);
        return chosen with { Read = WithChecksums(chosen.Read, checksums), Last = WithChecksums(step.LastTars, checksums) };
    }

    private static IReadOnlyList<StoredTar> WithChecksums(IReadOnlyList<StoredTar> tars, Dictionary<string, uint> checksums) =>
        [.. tars.Select(tar => checksums.TryGetValue(WithoutCodec(tar.Key.Name), out var known) ? tar with { Checksum = known } : tar)];

    private static bool IsWanted(string member, Func<string, bool> isWanted)
    {
        var relative = RestorePath.Normalize(member, "files_metadata.json");
        RestorePath.TryPlainName(ref relative);
        return isWanted(relative);
    }

    private TarChoice Choose(Dictionary<string, bool> listed, IEventLog log)
    {
        var read = new List<StoredTar>();
        var redundant = new List<StoredTar>();

        // A list that names no part says nothing. One that does knows every part: others were left by an earlier backup of
        // the same name and hold other versions of the same files.
        var knowsParts = listed.Keys.Any(IsPart);
        foreach (var tar in step.DataTars)
        {
            if (listed.Remove(WithoutCodec(tar.Key.Name), out var isWanted))
            {
                (isWanted ? read : redundant).Add(tar);
            }
            else if (knowsParts && IsPart(tar.Key.Name))
            {
                log.RestoreSkipsObject(tar.Key.ToString(), "the backup does not list it");
            }
            else
            {
                read.Add(tar);
            }
        }

        return listed.FirstOrDefault(tar => tar.Value && IsPart(tar.Key)).Key is not { } lost
            ? new TarChoice(read, redundant, step.LastTars)
            : throw new WalRusException(
                ErrorCode.BackupIncomplete,
                $"Backup '{step.Name}' has lost '{lost}', which it lists.",
                "Choose another backup, and find out what removed this one's objects.");
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
    public async ValueTask<Stream?> OpenAsync(CancellationToken cancellationToken)
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

/// <summary>Takes one line of a backup's list.</summary>
internal delegate void FileTaker(string relative, in FilesMetadataEntry file);

/// <summary>The tars of a backup that hold something wanted, those that do not, and the label's and the control file's.</summary>
internal sealed record TarChoice(IReadOnlyList<StoredTar> Read, IReadOnlyList<StoredTar> Redundant, IReadOnlyList<StoredTar> Last);
