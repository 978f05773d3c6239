using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>What becomes of a file that a tar holds.</summary>
internal enum MemberUse
{
    /// <summary>Another step brings a newer version, or the restored backup has no such file.</summary>
    Skipped,

    Whole,

    /// <summary>It is not the file but what changed in it since the step before.</summary>
    Increment,
}

/// <summary>
/// Which files each step of a chain brings. Only those that the restored backup leaves to its parents are kept, on disk:
/// each with the newest step that has it whole. Below that step nothing of it is read, above it there are increments.
/// </summary>
/// <remarks>
/// This is what wal-g's reverse unpacking finds out while it writes; known before, the steps can go oldest first, so that
/// increments are written over whole files and no page has to be looked at to see whether it is there.
/// </remarks>
internal sealed class RestoreSelection : IDisposable
{
    // A number holds the step with the whole file (plus 1; 0: not known), and above that a mark of the work done last.
    private const int StepBits = 11;
    private const uint StepMask = (1u << StepBits) - 1;
    private const uint RestoredMark = 1u << StepBits;

    private readonly object gate = new();
    private readonly RestoreFilter filter;
    private readonly NameTable? table;
    private readonly long[] expected;
    private readonly long[] restored;

    /// <param name="steps">How many backups the chain has.</param>
    /// <param name="filter">What is wanted of the restored backup.</param>
    /// <param name="spoolFolder">Where the names of a chain's files wait.</param>
    public RestoreSelection(int steps, RestoreFilter filter, string spoolFolder)
    {
        this.filter = filter;
        expected = new long[steps];
        restored = new long[steps];
        table = steps > 1 ? NameTable.Create(spoolFolder) : null;
    }

    /// <summary>Files whose whole version was not found yet.</summary>
    public long OpenCount { get; private set; }

    private int Last => expected.Length - 1;

    /// <summary>How many files a parent must bring; for the last step, how many increments.</summary>
    public long Expected(int step) => expected[step];

    /// <summary>How many of <see cref="Expected"/> are restored.</summary>
    public long Restored(int step) => Interlocked.Read(ref restored[step]);

    /// <summary>Takes a line of the restored backup's list that it leaves to its parents; false for a name that came before.</summary>
    public bool AddWanted(string relative, bool isIncremented)
    {
        if (table!.Find(relative) is not null)
        {
            return false;
        }

        table.Set(relative, 0);
        OpenCount++;
        expected[Last] += isIncremented ? 1 : 0;
        return true;
    }

    /// <summary>Takes a line of a parent's list, parents newest first. True for a file that was still looked for.</summary>
    public bool AddParents(int step, string relative, in FilesMetadataEntry file)
    {
        if (table!.Find(relative) is not { } number || (number & StepMask) != 0 || number >> StepBits == StepMark(step))
        {
            return false;
        }

        expected[step] += file.IsSkipped ? 0 : 1;
        var isWhole = !file.IsSkipped && !file.IsIncremented;
        OpenCount -= isWhole ? 1 : 0;
        table.Set(relative, (StepMark(step) << StepBits) | (isWhole ? (uint)step + 1 : 0));
        return true;
    }

    /// <summary>The full backup has no list of its files: what is still looked for can only be in it.</summary>
    public void LeaveToFullBackup()
    {
        expected[0] = OpenCount;
        OpenCount = 0;
    }

    /// <summary>True for a file that is looked for and that a step's list does not have.</summary>
    public bool IsUnknownTo(int step, string relative) =>
        table!.Find(relative) is { } number && (number & StepMask) == 0 && number >> StepBits != StepMark(step);

    /// <summary>What becomes of a member of a step's tars.</summary>
    public MemberUse Use(int step, string relative)
    {
        if (table?.Find(relative) is not { } number)
        {
            return step == Last && filter.Includes(relative) ? MemberUse.Whole : MemberUse.Skipped;
        }

        var whole = Math.Max(0, (int)(number & StepMask) - 1);
        return whole == step ? MemberUse.Whole : whole < step ? MemberUse.Increment : MemberUse.Skipped;
    }

    /// <summary>A member that <see cref="Use"/> named is in place. Counted once, however often its tar was begun.</summary>
    public void MarkRestored(int step, string relative)
    {
        if (table is null)
        {
            return;
        }

        lock (gate)
        {
            var mark = (RestoredMark | (uint)step) << StepBits;
            if (table.Find(relative) is { } number && (number & ~StepMask) != mark)
            {
                table.Set(relative, mark | (number & StepMask));
                restored[step]++;
            }
        }
    }

    public void Dispose() => table?.Dispose();

    private static uint StepMark(int step) => (uint)step + 1;
}
