namespace WalRus.Verification;

/// <summary>What is, or was, done about one WAL file that the archive lacks.</summary>
public enum WalRepairState
{
    /// <summary>None of the sources has it.</summary>
    NotFound,

    /// <summary>A source has it; nothing was done yet.</summary>
    Available,

    /// <summary>A source had it, read whole; it is durable in the archive now.</summary>
    Restored,

    /// <summary>The archive holds it by now.</summary>
    AlreadyArchived,
}

/// <summary>One WAL file that the archive lacks.</summary>
/// <param name="Name">The segment's or history's name.</param>
/// <param name="State">What is known of it.</param>
/// <param name="Source">Where it is, or came from; null when none of the sources has it.</param>
public sealed record WalRepairItem(string Name, WalRepairState State, string? Source)
{
    /// <summary>Bytes of the file; 0 while it was not restored.</summary>
    public long Bytes { get; init; }

    /// <summary>Bytes stored.</summary>
    public long StoredBytes { get; init; }

    /// <summary>How long it took.</summary>
    public TimeSpan Duration { get; init; }

    internal IWalRepairSource? From { get; init; }
}
