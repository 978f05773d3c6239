using System.Buffers.Binary;
using System.Text;
using WalRus.Postgres;
using WalRus.Streaming;

namespace WalRus.Backup;

/// <summary>What turns extracted files into a data directory: folders a backup leaves out, links, settings, and last the control file.</summary>
internal sealed class RestoreFinish(RestoreDestination destination, TarExtractor extractor, BackupFetchStep step)
{
    private const int FirstVersionWithPgWal = 100000;
    private const int FirstVersionWithKnownControlFile = 130000;
    private const int FirstVersionWithUnknownControlFile = 190000;

    /// <summary>Backups leave these out or hold them empty; PostgreSQL does not start without them.</summary>
    private static readonly string[] NeededFolders =
    [
        "global", "base", "pg_commit_ts", "pg_dynshmem", "pg_logical", "pg_logical/mappings", "pg_logical/snapshots",
        "pg_multixact", "pg_multixact/members", "pg_multixact/offsets", "pg_notify", "pg_replslot", "pg_serial",
        "pg_snapshots", "pg_stat", "pg_stat_tmp", "pg_subtrans", "pg_tblspc", "pg_twophase",
    ];

    private readonly TablespaceLayout layout = destination.Layout;

    private int PgVersion => step.Sentinel.PgVersion;

    /// <summary>
    /// The files without which nothing starts, or (the label) it would start and silently be inconsistent: the label is
    /// what makes PostgreSQL replay from the backup's start instead of from the last checkpoint.
    /// </summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.BackupIncomplete"/>, <see cref="ErrorCode.ObjectCorrupt"/>.</exception>
    public void CheckServerFiles()
    {
        foreach (var name in new[] { "PG_VERSION", TarExtractor.LabelFile })
        {
            if (!File.Exists(layout.PathOf(name)))
            {
                throw Incomplete(name);
            }
        }

        var control = extractor.ControlFileContent ?? throw Incomplete(TarExtractor.ControlFile);
        var found = ControlFileIdentifier(control);
        if (step.Sentinel.SystemIdentifier is { } expected && found != expected)
        {
            throw new WalRusException(
                ErrorCode.ObjectCorrupt,
                $"The control file of '{step.Name}' is of another cluster (system identifier {found}, the backup's is {expected}).",
                "Backups of two clusters were mixed in this archive; do not use this one.");
        }
    }

    public void CompleteFolders()
    {
        var wal = PgVersion is > 0 and < FirstVersionWithPgWal ? "pg_xlog" : "pg_wal";
        foreach (var folder in NeededFolders.Append(wal).Append($"{wal}/archive_status"))
        {
            Guard(layout.PathOf(folder), extractor.MakeFolder);
        }
    }

    /// <summary>
    /// The label of PostgreSQL's own incremental backup says so, and keeps a server from starting on it. What is here now
    /// is whole, so the two lines go, as pg_combinebackup leaves them out.
    /// </summary>
    public void CompleteLabel()
    {
        if (step.Sentinel.Delta is null)
        {
            return;
        }

        Guard(layout.PathOf(TarExtractor.LabelFile), path =>
        {
            var lines = File.ReadAllLines(path);
            var whole = lines.Where(line => !line.StartsWith("INCREMENTAL FROM ", StringComparison.Ordinal)).ToList();
            if (whole.Count < lines.Length)
            {
                WriteOwned(path, Encoding.UTF8.GetBytes(string.Concat(whole.Select(line => line + "\n"))));
            }
        });
    }

    /// <summary>
    /// Makes the links, below the destination (wal-g makes them below where the cluster was), and the map that
    /// PostgreSQL makes them from again.
    /// </summary>
    /// <param name="withMap">False when a mask leaves the map out.</param>
    public void LinkTablespaces(bool withMap)
    {
        if (layout.Tablespaces.Count == 0)
        {
            return;
        }

        var links = layout.PathOf(TablespaceLayout.LinkFolder);
        Guard(links, extractor.MakeFolder);
        foreach (var (oid, location) in layout.Tablespaces)
        {
            extractor.GiveToOwner(location);
            if (!OperatingSystem.IsWindows())
            {
                // On Windows PostgreSQL makes its own kind of link, from the map.
                Guard(Path.Combine(links, oid), link =>
                {
                    File.CreateSymbolicLink(link, location);
                    extractor.GiveToOwner(link);
                });
            }
        }

        if (withMap)
        {
            Guard(layout.PathOf(TarExtractor.MapFile), path => WriteOwned(path, layout.MapFile()));
        }
    }

    /// <returns>The settings written.</returns>
    public IReadOnlyList<KeyValuePair<string, string>> WriteRecovery(RecoverySettings recovery)
    {
        var (settings, files) = RecoverySettingsWriter.Write(layout.DataDirectory, recovery, PgVersion);
        foreach (var file in files)
        {
            Guard(file, SetOwnerAndMode);
        }

        return settings;
    }

    /// <summary>The last write of a restore: from here on a server can start on it.</summary>
    public void PutControlFile()
    {
        Guard(layout.DataDirectory, root =>
        {
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(root, extractor.RootMode);
            }

            extractor.GiveToOwner(root);
        });
        if (extractor.ControlFileContent is not { } content)
        {
            return;
        }

        Guard(layout.PathOf(TarExtractor.ControlFile), path =>
        {
            var temporary = path + ".walrus";
            extractor.MakeFolder(Path.GetDirectoryName(path)!);
            WriteOwned(temporary, content);
            File.Move(temporary, path);
            DurableFile.SyncFolder(Path.GetDirectoryName(path)!);
        });
    }

    private ulong ControlFileIdentifier(byte[] control)
    {
        if (PgVersion is > 0 and (< FirstVersionWithKnownControlFile or >= FirstVersionWithUnknownControlFile))
        {
            return control.Length >= sizeof(ulong) ? BinaryPrimitives.ReadUInt64LittleEndian(control) : 0;
        }

        try
        {
            return ControlFile.Parse(control).SystemIdentifier;
        }
        catch (WalRusException damaged)
        {
            throw new WalRusException(
                ErrorCode.ObjectCorrupt,
                $"The control file of '{step.Name}' cannot be used: {damaged.Message}",
                "Choose another backup.",
                damaged);
        }
    }

    private static void Guard(string path, Action<string> action)
    {
        try
        {
            action(path);
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(failed, path);
        }
    }

    private void WriteOwned(string path, byte[] content)
    {
        using (var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read, 0))
        {
            file.Write(content);
            file.Flush(flushToDisk: true);
        }

        SetOwnerAndMode(path);
    }

    private void SetOwnerAndMode(string path)
    {
        if (!OperatingSystem.IsWindows())
        {
            var forGroup = extractor.RootMode & UnixFileMode.GroupRead;
            File.SetUnixFileMode(path, RestoreModes.PrivateFile | forGroup);
        }

        extractor.GiveToOwner(path);
    }

    private WalRusException Incomplete(string name) => new(
        ErrorCode.BackupIncomplete,
        $"Backup '{step.Name}' does not hold '{name}': it cannot be restored.",
        "Choose another backup, and find out what removed this one's objects.");
}
