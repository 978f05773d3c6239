using WalRus.Wal;

namespace WalRus.Daemon;

/// <summary>One file on its way into the archive, or there already and not asked for yet.</summary>
internal sealed class Upload(string path, WalFile file, bool isAsked)
{
    private readonly TaskCompletionSource<UploadOutcome> done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public string Path => path;

    public WalFile File => file;

    /// <summary>Started because PostgreSQL asked, not ahead of it.</summary>
    public bool IsAsked => isAsked;

    /// <summary>When its lane took it up, by the monotonic clock; null before.</summary>
    public long? Started { get; set; }

    public Task<UploadOutcome> Done => done.Task;

    public bool IsDurable => done.Task.IsCompletedSuccessfully && done.Task.Result.Identity is not null;

    public void Complete(UploadOutcome outcome) => done.SetResult(outcome);
}

/// <summary>How an upload ended.</summary>
/// <param name="Identity">The file whose bytes are durable in the archive; null when none are.</param>
/// <param name="Failure">Why not; null too when it was passed over because it is not ready any more.</param>
internal readonly record struct UploadOutcome(FileIdentity? Identity, Exception? Failure);
