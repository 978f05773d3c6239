namespace WalRus.Transfer;

/// <summary>How sure a copy has to be of what lies at the target.</summary>
public enum CopyVerification
{
    /// <summary>Proven: by the checksum that the target's store states, else by reading back what was written.</summary>
    Checksum,

    /// <summary>Equal sizes are enough.</summary>
    Size,

    /// <summary>Everything is read back, also what an earlier copy brought and what the server copied by itself.</summary>
    Content,
}

/// <summary>What became of one object.</summary>
public enum CopyOutcome
{
    /// <summary>Read here and written there.</summary>
    Copied,

    /// <summary>Copied by the server.</summary>
    CopiedByServer,

    /// <summary>The target held it already.</summary>
    AlreadyThere,
}

/// <summary>One object at its target.</summary>
/// <param name="Key">Its key there.</param>
/// <param name="SizeBytes">Its size there.</param>
/// <param name="Outcome">How it came there.</param>
public readonly record struct CopiedObject(Storage.ObjectKey Key, long SizeBytes, CopyOutcome Outcome);
