namespace WalRus.Delta;

/// <summary>The default: knows nothing before it looks, so every page of a changed file is read and its LSN compared.</summary>
public sealed class PageLsnSource : IChangedBlockSource
{
    public string Name => "page LSNs";

    /// <summary>A <see cref="ChangedBlockSourceOpener"/>.</summary>
    public static Task<IChangedBlockSource> OpenAsync(ChangedBlockRange range, CancellationToken cancellationToken) =>
        Task.FromResult<IChangedBlockSource>(new PageLsnSource());

    public ValueTask<ChangedBlocks> FindAsync(
        RelationSegment segment, BlockSet candidates, CancellationToken cancellationToken) => new(ChangedBlocks.Unknown);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
