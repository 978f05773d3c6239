using WalRus.Streaming.Tar;

namespace WalRus.Backup;

/// <summary>What becomes of a member that a server sends, where it does not go into the delta as it comes.</summary>
/// <param name="Name">The file's own name.</param>
/// <param name="ContentBytes">Of the member that is written instead; none is when <paramref name="Write"/> is null.</param>
/// <param name="Write">Writes that content; to be called before the next member is looked at.</param>
internal sealed record RemoteIncrement(
    string Name, long ContentBytes, Func<TarWriter, CancellationToken, ValueTask>? Write)
{
    /// <summary>False for content that is whole, only changed.</summary>
    public bool IsIncrement { get; init; } = true;
}

/// <summary>Makes a delta of the members that a server sends.</summary>
internal interface IRemoteIncrements
{
    /// <summary>Decides on a member, reading as much of it as that takes.</summary>
    /// <param name="reader">Stands at the member's content.</param>
    /// <returns>Null when the member goes in whole, as it comes; then nothing of it has been read.</returns>
    ValueTask<RemoteIncrement?> FindAsync(TarReader reader, TarEntry entry, CancellationToken cancellationToken);
}
