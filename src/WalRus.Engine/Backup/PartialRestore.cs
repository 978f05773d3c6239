using System.Globalization;
using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.Streaming;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>
/// Finds which files a partial restore takes. The backup's list of relations names tables and, by their oid, the tables'
/// TOAST; which indexes are theirs stands only in each database's pg_index, so that catalog is restored aside first.
/// </summary>
internal sealed class PartialRestore(Archive archive, TarRounds rounds, IEventLog log)
{
    /// <summary>OIDs below are given by initdb: system databases, system catalogs.</summary>
    public const uint FirstUserOid = 16384;

    private const uint IndexCatalog = 2610;
    private const uint SequenceCatalog = 2224;

    /// <returns>By a file's safe relative name, whether it is restored.</returns>
    /// <exception cref="WalRusException"><see cref="ErrorCode.InvalidArgument"/>: the backup does not list its relations, or has
    /// none that a pattern names.</exception>
    public async Task<Func<string, bool>> ChooseAsync(
        BackupFetchPlan plan, IReadOnlyList<string> patterns, CancellationToken cancellationToken)
    {
        var choice = new PartialSelection([.. patterns.Select(RelationPattern.Parse)]);
        await ReadAsync(plan.Last, choice.TakeNamed, cancellationToken).ConfigureAwait(false);
        choice.ThrowIfUnmatched(plan.Last.Name);
        if (choice.HasTables)
        {
            await ReadAsync(plan.Last, choice.TakeToast, cancellationToken).ConfigureAwait(false);
            await ReadCatalogsAsync(plan, choice, cancellationToken).ConfigureAwait(false);
            await ReadAsync(plan.Last, choice.TakeFiles, cancellationToken).ConfigureAwait(false);
        }

        return choice.Includes;
    }

    private async Task ReadAsync(BackupFetchStep step, Action<DatabaseTable> take, CancellationToken cancellationToken)
    {
        var document = await new BackupFileList(archive, step).OpenAsync(cancellationToken).ConfigureAwait(false);
        if (document is null)
        {
            return;
        }

        await using (document.ConfigureAwait(false))
        {
            await foreach (var table in FilesMetadataReader.ReadDatabasesAsync(document, cancellationToken).ConfigureAwait(false))
            {
                take(table);
            }
        }
    }

    private async Task ReadCatalogsAsync(BackupFetchPlan plan, PartialSelection choice, CancellationToken cancellationToken)
    {
        var filter = new RestoreFilter(null, relative => choice.CatalogOf(relative) is not null);
        using var selection = await ChainSelection.MakeAsync(archive, plan, filter, log, cancellationToken).ConfigureAwait(false);
        var folder = Path.Combine(TemporaryFile.Folder(), $"walrus-{Guid.NewGuid():N}.catalogs");
        using var scratch = RestoreDestination.Claim(TablespaceLayout.Create(folder, null, []), null, force: false, log);
        try
        {
            var extractor = new TarExtractor(scratch, selection, new RestoreProgress(null, null), log);
            await new ChainExtraction(archive, selection, filter, scratch, extractor).RunAsync(rounds, cancellationToken).ConfigureAwait(false);
            foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
            {
                var relative = Path.GetRelativePath(folder, file).Replace('\\', '/');
                if (choice.CatalogOf(relative) is { } catalog)
                {
                    ReadCatalog(file, catalog, choice);
                }
            }
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(failed, folder);
        }
        finally
        {
            scratch.Abandon();
        }
    }

    private static void ReadCatalog(string file, (uint Database, uint Catalog) catalog, PartialSelection choice)
    {
        var page = new byte[CatalogHeap.PageBytes];
        using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.Read, 0);
        while (stream.ReadAtLeast(page, page.Length, throwOnEndOfStream: false) == page.Length)
        {
            CatalogHeap.ReadOids(page, (first, second) =>
            {
                if (catalog.Catalog == IndexCatalog)
                {
                    choice.TakeIndex(catalog.Database, first, second);
                }
                else
                {
                    choice.TakeSequence(catalog.Database, first);
                }
            });
        }
    }

    /// <summary>True for the catalogs that say what belongs to a table: pg_index and pg_sequence.</summary>
    internal static bool IsNeeded(uint catalog) => catalog is IndexCatalog or SequenceCatalog;

    /// <summary>"base/16384/16390_fsm.1" is of database 16384 and relation file 16390; null for what is no relation of a database.</summary>
    internal static (uint Database, uint FileNode)? RelationOf(string relative)
    {
        var isInDatabase = relative.StartsWith("base/", StringComparison.Ordinal)
            || relative.StartsWith(TablespaceLayout.LinkFolder + "/", StringComparison.Ordinal);
        var slash = relative.LastIndexOf('/');
        var before = isInDatabase ? relative.LastIndexOf('/', slash - 1) : -1;
        if (before < 0)
        {
            return null;
        }

        var name = relative.AsSpan(slash + 1);
        var cut = name.IndexOfAny('.', '_');
        return TryNumber(relative.AsSpan(before + 1, slash - before - 1), out var database)
            && TryNumber(cut < 0 ? name : name[..cut], out var node)
            ? (database, node)
            : null;
    }

    private static bool TryNumber(ReadOnlySpan<char> text, out uint number) =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}
