using WalRus.Storage;
using WalRus.Streaming;

namespace WalRus.Archiving;

/// <summary>Codecs and crypters see bytes only; an operator needs the object that they found damaged.</summary>
internal sealed class NamedObjectStream(Stream content, ObjectKey key) : InputStream
{
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            return await content.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException unnamed) when (unnamed.Code is ErrorCode.ObjectCorrupt or ErrorCode.DecryptionFailed
            && !unnamed.Message.Contains(key.ToString(), StringComparison.Ordinal))
        {
            throw new WalRusException(unnamed.Code, $"'{key}': {unnamed.Message}", unnamed.Hint, unnamed)
            {
                IsTransient = unnamed.IsTransient,
            };
        }
    }

    public override async ValueTask DisposeAsync()
    {
        await content.DisposeAsync().ConfigureAwait(false);
        await base.DisposeAsync().ConfigureAwait(false);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            content.Dispose();
        }

        base.Dispose(disposing);
    }
}
