namespace WalRus.Streaming;

/// <summary>Compares two streams byte by byte in two fixed buffers.</summary>
internal static class ContentComparison
{
    private const int BufferBytes = 64 * 1024;

    public static async ValueTask<bool> EqualAsync(
        Stream left, Stream right, NativeBufferPool buffers, CancellationToken cancellationToken)
    {
        using var leftBuffer = await buffers.RentAsync(BufferBytes, cancellationToken).ConfigureAwait(false);
        using var rightBuffer = await buffers.RentAsync(BufferBytes, cancellationToken).ConfigureAwait(false);
        while (true)
        {
            var leftRead = await left
                .ReadAtLeastAsync(leftBuffer.Memory, BufferBytes, false, cancellationToken).ConfigureAwait(false);
            var rightRead = await right
                .ReadAtLeastAsync(rightBuffer.Memory, BufferBytes, false, cancellationToken).ConfigureAwait(false);
            if (!leftBuffer.GetSpan()[..leftRead].SequenceEqual(rightBuffer.GetSpan()[..rightRead]))
            {
                return false;
            }

            if (leftRead < BufferBytes)
            {
                return true;
            }
        }
    }
}
