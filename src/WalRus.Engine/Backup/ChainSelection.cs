using WalRus.Archiving;
using WalRus.Streaming;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>
/// A restore decided to the last tar, before anything is written: which file comes from which backup of the chain, which
/// tars are read, and which hold nothing that is wanted.
/// </summary>
/// <param name="Plan">The chain.</param>
/// <param name="Files">Which file comes from where; disposed with this.</param>
/// <param name="Tars">For each step the data tars.</param>
internal sealed record ChainSelection(BackupFetchPlan Plan, RestoreSelection Files, IReadOnlyList<TarChoice> Tars) : IDisposable
{
    private const int ShownNames = 3;

    /// <summary>The label's and the control file's tars; those of parents are of no use.</summary>
    public IReadOnlyList<StoredTar> LastTars(int step) => step == Plan.Steps.Count - 1 ? Tars[step].Last : [];

    /// <summary>Reads the lists of every step, newest first.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.BackupIncomplete"/>: the chain does not hold every file.</exception>
    public static async Task<ChainSelection> MakeAsync(
        Archive archive, BackupFetchPlan plan, RestoreFilter filter, IEventLog log, CancellationToken cancellationToken)
    {
        var files = new RestoreSelection(plan.Steps.Count, filter, TemporaryFile.Folder());
        try
        {
            var reading = new Reading(archive, plan, filter, files);
            await reading.RunAsync(cancellationToken).ConfigureAwait(false);
            var tars = new List<TarChoice>();
            for (var step = 0; step < plan.Steps.Count; step++)
            {
                var number = step;
                tars.Add(await new BackupFileList(archive, plan.Steps[step])
                    .ChooseTarsAsync(member => files.Use(number, member) != MemberUse.Skipped, log, cancellationToken).ConfigureAwait(false));
            }

            return new ChainSelection(plan, files, tars);
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }

    /// <summary>Holds that a step brought every file that it had to: a tar that was lost or lacks members is no silent hole.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.BackupIncomplete"/>.</exception>
    public void CheckStep(int step)
    {
        if (Files.Restored(step) != Files.Expected(step))
        {
            throw new WalRusException(
                ErrorCode.BackupIncomplete,
                FormattableString.Invariant($"Backup '{Plan.Steps[step].Name}' brought {Files.Restored(step)} of the {Files.Expected(step)} files that '{Plan.Last.Name}' needs of it."),
                "One of its tar archives was removed or damaged. Choose another backup.");
        }
    }

    public void Dispose() => Files.Dispose();

    private sealed class Reading(Archive archive, BackupFetchPlan plan, RestoreFilter filter, RestoreSelection files)
    {
        public async Task RunAsync(CancellationToken cancellationToken)
        {
            var last = plan.Steps.Count - 1;
            if (last == 0)
            {
                return;
            }

            if (!await List(last).ReadFilesAsync(TakeWanted, cancellationToken).ConfigureAwait(false))
            {
                throw Incomplete(plan.Last, "it has no list of its files, and so cannot say what it took from its parent");
            }

            for (var step = last - 1; step >= 0 && files.OpenCount > 0; step--)
            {
                await ReadParentAsync(step, cancellationToken).ConfigureAwait(false);
            }

            if (files.OpenCount > 0)
            {
                throw Incomplete(plan.Steps[0], $"{files.OpenCount} files of '{plan.Last.Name}' are whole in no backup of its chain");
            }
        }

        private void TakeWanted(string relative, in FilesMetadataEntry file)
        {
            if ((file.IsSkipped || file.IsIncremented) && filter.Includes(relative)
                && !files.AddWanted(relative, file.IsIncremented))
            {
                throw Incomplete(plan.Last, $"it lists '{relative}' twice");
            }
        }

        private async Task ReadParentAsync(int step, CancellationToken cancellationToken)
        {
            var open = files.OpenCount;
            var found = 0L;
            void Take(string relative, in FilesMetadataEntry file) => found += files.AddParents(step, relative, file) ? 1 : 0;
            if (!await List(step).ReadFilesAsync(Take, cancellationToken).ConfigureAwait(false))
            {
                if (step > 0)
                {
                    throw Incomplete(plan.Steps[step], "it has no list of its files, and so cannot say what it took from its parent");
                }

                files.LeaveToFullBackup();
            }
            else if (found < open)
            {
                var names = await UnknownToAsync(step, cancellationToken).ConfigureAwait(false);
                throw Incomplete(plan.Steps[step], $"it lacks {open - found} files that '{plan.Steps[step + 1].Name}' takes from it ({names})");
            }
        }

        private async Task<string> UnknownToAsync(int step, CancellationToken cancellationToken)
        {
            var names = new List<string>();
            void Take(string relative, in FilesMetadataEntry file)
            {
                if (names.Count < ShownNames && files.IsUnknownTo(step, relative))
                {
                    names.Add(relative);
                }
            }

            await List(plan.Steps.Count - 1).ReadFilesAsync(Take, cancellationToken).ConfigureAwait(false);
            return string.Join(", ", names);
        }

        private BackupFileList List(int step) => new(archive, plan.Steps[step]);

        private WalRusException Incomplete(BackupFetchStep step, string problem) => new(
            ErrorCode.BackupIncomplete,
            $"'{plan.Last.Name}' cannot be restored from '{step.Name}': {problem}.",
            "Choose another backup, such as the full one at the root of the chain, and let recovery replay the WAL since then.");
    }
}
