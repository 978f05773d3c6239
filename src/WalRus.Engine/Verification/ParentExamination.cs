using WalRus.Archiving;
using WalRus.Backup;
using WalRus.Streaming;
using WalRus.WalG;

namespace WalRus.Verification;

/// <summary>
/// Holds a delta's list against its parent's: what a delta leaves to its parent, or has changed pages of, the parent must list.
/// Done for each delta of a chain, this says the same of the whole chain.
/// </summary>
internal sealed class ParentExamination(Archive archive)
{
    private const int ShownNames = 3;

    /// <returns>What is wrong; null where nothing is, or where a list that tells is missing.</returns>
    /// <exception cref="WalRusException">A list cannot be read: a finding of its own.</exception>
    public async Task<string?> FindProblemAsync(
        BackupName name, BackupSentinel sentinel, BackupName parent, BackupSentinel parentSentinel, CancellationToken cancellationToken)
    {
        using var table = NameTable.Create(TemporaryFile.Folder());
        void Keep(string relative, in FilesMetadataEntry file) => table.Set(relative, 0);
        if (!await List(parent, parentSentinel).ReadFilesAsync(Keep, cancellationToken).ConfigureAwait(false) || table.Count == 0)
        {
            return null;
        }

        var count = 0L;
        var names = new List<string>(ShownNames);
        void Look(string relative, in FilesMetadataEntry file)
        {
            if ((file.IsSkipped || file.IsIncremented) && table.Find(relative) is null)
            {
                count++;
                if (names.Count < ShownNames)
                {
                    names.Add(relative);
                }
            }
        }

        await List(name, sentinel).ReadFilesAsync(Look, cancellationToken).ConfigureAwait(false);
        return count == 0 ? null : $"It takes {count} files from '{parent}' that are not listed there ({string.Join(", ", names)}).";
    }

    private BackupFileList List(BackupName name, BackupSentinel sentinel) => new(archive, new BackupFetchStep(name, sentinel, [], []));
}
