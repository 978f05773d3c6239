namespace WalRus.Backup;

/// <summary>
/// What the server sends cannot be a delta of the parent. It is known only in the middle of the stream: the backup begins
/// anew as a full one, unless the parent was named.
/// </summary>
internal sealed class DeltaImpossibleException : WalRusException
{
    /// <param name="reason">For people: no full stop.</param>
    /// <param name="hint">Where the parent was named: the operator's next step.</param>
    public DeltaImpossibleException(string reason, string hint)
        : base(ErrorCode.BackupParentUnusable, $"No delta can be made: {reason}.", hint) => Reason = reason;

    public string Reason { get; }
}
