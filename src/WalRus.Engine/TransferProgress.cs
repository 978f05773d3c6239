namespace WalRus;

/// <summary>A snapshot of a running transfer. Reported often; listeners throttle.</summary>
/// <param name="Activity">What is going on, a few words ("Backing up", "Restoring").</param>
/// <param name="CurrentItem">The file or object being worked on, or null.</param>
/// <param name="BytesDone">Payload bytes (uncompressed) done so far.</param>
/// <param name="BytesTotal">Expected payload bytes; null when unknown. An estimate: it may be passed.</param>
public readonly record struct TransferProgress(string Activity, string? CurrentItem, long BytesDone, long? BytesTotal);
