using WalRus.Storage;
using WalRus.Streaming;

namespace WalRus.Archiving;

/// <summary>Codecs and crypters see bytes only; an operator needs the object that they found damaged, and why it may be.</summary>
/// <param name="hasKey">False when the archive is read without a key, though it may have been written with one.</param>
internal sealed class NamedObjectStream(Stream content, ObjectKey key, bool hasKey) : InputStream
{
    private bool hasBegun;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            var count = await content.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            hasBegun = true;
            return count;
        }
        catch (WalRusException unnamed) when (unnamed.Code is ErrorCode.ObjectCorrupt or ErrorCode.DecryptionFailed
            && !unnamed.Message.Contains(key.ToString(), StringComparison.Ordinal))
        {
            var hint = hasKey || hasBegun
                ? unnamed.Hint
                : $"If the archive is encrypted, give its key (WALG_LIBSODIUM_KEY, WALG_PGP_KEY_PATH). {unnamed.Hint}";
            throw new WalRusException(unnamed.Code, $"'{key}': {unnamed.Message}", hint, unnamed)
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
