using WalRus.Archiving;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>Extracts what was selected of a chain, one backup after the other, each over several lanes.</summary>
internal sealed class ChainExtraction(
    Archive archive, ChainSelection selection, RestoreFilter filter, RestoreDestination destination, TarExtractor extractor)
{
    private const int ShownNames = 3;

    /// <exception cref="WalRusException"><see cref="ErrorCode.BackupIncomplete"/>, <see cref="ErrorCode.ObjectCorrupt"/>,
    /// or what the store says.</exception>
    public async Task RunAsync(TarRounds rounds, CancellationToken cancellationToken)
    {
        for (var step = 0; step < selection.Plan.Steps.Count; step++)
        {
            extractor.BeginStep(step);
            await rounds.RunAsync(selection.Tars[step].Read, extractor, cancellationToken).ConfigureAwait(false);
            await rounds.RunAsync(selection.LastTars(step), extractor, cancellationToken).ConfigureAwait(false);
            selection.CheckStep(step);
        }

        await CheckRestoredAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Holds that everything the list names is there now, so that a lost tar is no silent hole.</summary>
    private async Task CheckRestoredAsync(CancellationToken cancellationToken)
    {
        var missingCount = 0L;
        var shown = new List<string>(ShownNames);
        void Take(string relative, in FilesMetadataEntry file)
        {
            if (IsThere(relative))
            {
                return;
            }

            missingCount++;
            if (shown.Count < ShownNames)
            {
                shown.Add(file.Name);
            }
        }

        await new BackupFileList(archive, selection.Plan.Last).ReadFilesAsync(Take, cancellationToken).ConfigureAwait(false);
        if (missingCount > 0)
        {
            throw new WalRusException(
                ErrorCode.BackupIncomplete,
                $"Backup '{selection.Plan.Last.Name}' lacks {missingCount} of the files it lists ({string.Join(", ", shown)}{(missingCount > shown.Count ? ", ..." : "")}).",
                "One of its tar archives was removed or damaged. Choose another backup.");
        }
    }

    private bool IsThere(string relative) =>
        !filter.Includes(relative)
            || (relative == TarExtractor.ControlFile
                ? extractor.ControlFileContent is not null
                : Path.Exists(destination.Layout.PathOf(relative)) || extractor.WasNotRestorable(relative));
}
