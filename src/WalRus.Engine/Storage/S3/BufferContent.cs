using System.Net;
using WalRus.Streaming;

namespace WalRus.Storage.S3;

/// <summary>
/// A request's body straight from the chunks it was collected in: nothing is copied on its way to the socket. Each
/// chunk that has gone tells the guard that the request moves. While an HTTP stack writes, it holds a use of the buffer,
/// so that one which is still busy with a request that was given up never sends memory which others have by now.
/// </summary>
internal sealed class BufferContent(GrowingBuffer buffer, StallGuard guard) : HttpContent
{
    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(
        Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        if (!buffer.TryUse())
        {
            throw new IOException("The request was given up.");
        }

        try
        {
            for (var index = 0; index < buffer.ChunkCount; index++)
            {
                await stream.WriteAsync(buffer.ChunkAt(index), cancellationToken).ConfigureAwait(false);
                guard.Moved();
            }
        }
        finally
        {
            buffer.EndUse();
        }
    }

    protected override bool TryComputeLength(out long length)
    {
        length = buffer.Length;
        return true;
    }
}
