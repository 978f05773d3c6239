using System.Collections.Concurrent;
using WalRus.Archiving;
using WalRus.Backup;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.Streaming;
using WalRus.WalG;

namespace WalRus.Verification;

/// <summary>The tars of one backup, read over several lanes and held against the backup's list and documents.</summary>
internal sealed class BackupTarsExamination(
    Archive archive, NativeBufferPool buffers, BackupName name, BackupSentinel sentinel, int lanes, Func<ArchiveFinding, ValueTask> report)
{
    private const int BufferBytes = 256 * 1024;

    private readonly ConcurrentDictionary<string, TarDigest> read = new(StringComparer.Ordinal);
    private bool anyUnreadable;

    public async Task RunAsync(Action<ObjectKey, long> readObject, CancellationToken cancellationToken)
    {
        var list = await ReadListAsync(cancellationToken).ConfigureAwait(false);
        var tars = await FindTarsAsync(list, cancellationToken).ConfigureAwait(false);

        using var manifest = await ReadManifestAsync(tars, cancellationToken).ConfigureAwait(false);

        // What the control file says of checksums decides how the others are read.
        var control = tars.FirstOrDefault(tar => BackupListDigest.WithoutCodec(tar.Key.Name).EndsWith(WalGLayout.ControlTar, StringComparison.Ordinal));
        if (control.SizeBytes > 0)
        {
            await ExamineAsync(control, list, null, manifest, readObject, cancellationToken).ConfigureAwait(false);
        }

        var facts = await CheckControlFileAsync(isThere: control.SizeBytes > 0).ConfigureAwait(false);
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = lanes, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(
            tars.Where(tar => tar.Key != control.Key), parallel, async (tar, token) => await ExamineAsync(tar, list, facts, manifest, readObject, token).ConfigureAwait(false))
            .ConfigureAwait(false);
        await CheckLabelAsync().ConfigureAwait(false);
        if (list is not null && !anyUnreadable)
        {
            await CompareAsync(list, tars).ConfigureAwait(false);
        }
    }

    private async Task<BackupListDigest?> ReadListAsync(CancellationToken cancellationToken)
    {
        var key = WalGLayout.FilesMetadata(name);
        try
        {
            return await BackupListDigest.ReadAsync(archive, name, cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException missing) when (missing.Code == ErrorCode.ObjectNotFound)
        {
            if (sentinel.RequiresFilesMetadata)
            {
                await report(ArchiveFinding.Error(
                    FindingKind.BackupIncomplete, key, "It is missing: whether the backup's files are all there cannot be told.")).ConfigureAwait(false);
            }
        }
        catch (WalRusException damaged) when (ExaminationFacts.IsDamage(damaged))
        {
            await report(ArchiveFinding.Error(FindingKind.BackupDocumentDamaged, key, damaged.Message)).ConfigureAwait(false);
        }

        return null;
    }

    /// <summary>The tars that a restore reads: numbered parts that the list does not know were left by another try.</summary>
    private async Task<List<ListEntry>> FindTarsAsync(BackupListDigest? list, CancellationToken cancellationToken)
    {
        var tars = new List<ListEntry>();
        var request = new ListRequest { Folder = WalGLayout.TarPartitions(name) };
        await foreach (var entry in archive.Store.ListAsync(request, cancellationToken).ConfigureAwait(false))
        {
            var tar = BackupListDigest.WithoutCodec(entry.Key.Name);
            var isPart = tar.StartsWith("part_", StringComparison.Ordinal);
            if (!entry.IsFolder && tar.EndsWith(".tar", StringComparison.Ordinal)
                && (!isPart || list is not { Tars.Count: > 0 } || list.Tars.ContainsKey(tar)))
            {
                tars.Add(entry);
            }
            else
            {
                await report(ArchiveFinding.Warning(FindingKind.Unlisted, entry.Key, "It is no part of the backup: its list does not name it."))
                    .ConfigureAwait(false);
            }
        }

        return tars;
    }

    /// <summary>Null where the backup has none, or where it is damaged.</summary>
    private async Task<ManifestChecksums?> ReadManifestAsync(List<ListEntry> tars, CancellationToken cancellationToken)
    {
        var tar = tars.FirstOrDefault(tar => BackupListDigest.WithoutCodec(tar.Key.Name) == WalGLayout.ManifestTar);
        if (tar.SizeBytes == 0)
        {
            return null;
        }

        try
        {
            using var buffer = await buffers.RentAsync(BufferBytes, cancellationToken).ConfigureAwait(false);
            return await ManifestChecksums.ReadAsync(archive, tar.Key, buffer.Memory, TemporaryFile.Folder(), cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException damaged) when (ExaminationFacts.IsDamage(damaged))
        {
            await report(ArchiveFinding.Error(FindingKind.BackupPartDamaged, tar.Key, damaged.Message)).ConfigureAwait(false);
            return null;
        }
    }

    private async Task ExamineAsync(
        ListEntry tar,
        BackupListDigest? list,
        ControlFile? control,
        ManifestChecksums? manifest,
        Action<ObjectKey, long> readObject,
        CancellationToken cancellationToken)
    {
        var name = BackupListDigest.WithoutCodec(tar.Key.Name);
        try
        {
            using var buffer = await buffers.RentAsync(BufferBytes, cancellationToken).ConfigureAwait(false);
            var stored = new StoredTar(tar.Key, tar.SizeBytes, list?.ChecksumOf(name));
            var examination = new TarExamination(archive, control, sentinel.StartLsn ?? default, sentinel.Delta is not null, manifest);
            var digest = await examination.RunAsync(stored, buffer.Memory, cancellationToken).ConfigureAwait(false);
            read[name] = digest;
            foreach (var finding in digest.FileFindings)
            {
                await report(finding).ConfigureAwait(false);
            }
        }
        catch (WalRusException damaged) when (ExaminationFacts.IsDamage(damaged))
        {
            Volatile.Write(ref anyUnreadable, true);
            await report(ArchiveFinding.Error(FindingKind.BackupPartDamaged, tar.Key, damaged.Message)).ConfigureAwait(false);
        }

        readObject(tar.Key, tar.SizeBytes);
    }

    private byte[]? ServerFile(string relative) =>
        read.Values.Select(digest => digest.ServerFiles.GetValueOrDefault(relative)).FirstOrDefault(content => content is not null);

    private async Task<ControlFile?> CheckControlFileAsync(bool isThere)
    {
        var key = WalGLayout.Tar(name, WalGLayout.ControlTar);
        if (!isThere)
        {
            // WAL-E kept it among the others; its names end in an offset.
            if (name.ToString().Count(character => character == '_') == 1 || name.IsDelta)
            {
                await report(ArchiveFinding.Error(FindingKind.BackupIncomplete, key, "It is missing: the backup cannot be restored.")).ConfigureAwait(false);
            }

            return null;
        }

        if (anyUnreadable)
        {
            return null;
        }

        var problem = "It holds no control file.";
        try
        {
            if (ServerFile(TarExtractor.ControlFile) is { } content)
            {
                var control = ControlFile.Parse(content);
                if (sentinel.SystemIdentifier is not { } identifier || identifier == control.SystemIdentifier)
                {
                    return control;
                }

                problem = $"It is of the cluster {control.SystemIdentifier}, the backup's sentinel says {identifier}.";
            }
        }
        catch (WalRusException damaged) when (ExaminationFacts.IsDamage(damaged))
        {
            problem = damaged.Message;
        }

        await report(ArchiveFinding.Error(FindingKind.BackupPartDamaged, key, problem)).ConfigureAwait(false);
        return null;
    }

    private async Task CheckLabelAsync()
    {
        var key = WalGLayout.Tar(name, WalGLayout.LabelTar);
        if (anyUnreadable)
        {
            return;
        }

        string? problem;
        try
        {
            problem = ServerFile(TarExtractor.LabelFile) is not { } content ? "The backup has no backup_label: a server would start on it without its WAL."
                : BackupLabel.Parse(content) is var label && sentinel.StartLsn is { } start && label.StartLsn != start
                    ? $"Its backup_label is of a backup that starts at {label.StartLsn}, the sentinel says {start}."
                : ServerFile(TarExtractor.MapFile) is { } map ? ProblemOfMap(map) : null;
        }
        catch (WalRusException damaged) when (ExaminationFacts.IsDamage(damaged))
        {
            problem = damaged.Message;
        }

        if (problem is not null)
        {
            await report(ArchiveFinding.Error(FindingKind.BackupPartDamaged, key, problem)).ConfigureAwait(false);
        }
    }

    private string? ProblemOfMap(byte[] map)
    {
        var mapped = TablespaceMap.Parse(map).Select(entry => $"{entry.Key} {entry.Value}").Order(StringComparer.Ordinal);
        var stated = (sentinel.Tablespaces?.Entries ?? []).Select(entry => $"{entry.Name} {entry.Location}").Order(StringComparer.Ordinal);
        return mapped.SequenceEqual(stated) ? null : "Its tablespace_map has other tablespaces than the backup's sentinel.";
    }

    private async Task CompareAsync(BackupListDigest list, List<ListEntry> tars)
    {
        foreach (var (tar, members) in list.Tars)
        {
            var found = read.GetValueOrDefault(tar);
            var key = WalGLayout.Tar(name, tar);
            if (found is null)
            {
                await report(ArchiveFinding.Error(
                    FindingKind.BackupIncomplete, key, $"It is missing, with {members.Count} files of the backup.")).ConfigureAwait(false);
            }
            else if (!found.Members.Equals(members))
            {
                await report(ArchiveFinding.Error(
                    FindingKind.BackupIncomplete, tars.First(entry => BackupListDigest.WithoutCodec(entry.Key.Name) == tar).Key,
                    $"It holds other files than the backup lists: {found.Members.Count} instead of {members.Count}.")).ConfigureAwait(false);
            }
        }

        await CompareFilesAsync(list).ConfigureAwait(false);
    }

    private async Task CompareFilesAsync(BackupListDigest list)
    {
        var (members, filesOnly, increments) = (default(NameDigest), default(NameDigest), default(NameDigest));
        foreach (var digest in read.Values)
        {
            members.Add(digest.DatedMembers);
            filesOnly.Add(digest.DatedFiles);
            increments.Add(digest.Increments);
        }

        // wal-g's local backups list folders too, its remote ones and WAL-RUS' do not.
        var key = WalGLayout.FilesMetadata(name);
        if (list.Files.Count > 0 && !list.Files.Equals(members) && !list.Files.Equals(filesOnly))
        {
            await report(ArchiveFinding.Error(
                FindingKind.BackupIncomplete, key,
                $"Its files are not those of the backup's tars: it lists {list.Files.Count}, the tars hold {filesOnly.Count} and {members.Count - filesOnly.Count} folders and links; or their times differ."))
                .ConfigureAwait(false);
        }
        else if (list.Files.Count > 0 && !list.Increments.Equals(increments))
        {
            await report(ArchiveFinding.Error(
                FindingKind.BackupIncomplete, key,
                $"It lists {list.Increments.Count} increments, the backup's tars hold {increments.Count}.")).ConfigureAwait(false);
        }
    }
}
