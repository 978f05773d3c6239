using System.Text;
using WalRus.Storage;
using WalRus.Streaming;

namespace WalRus.Verification;

/// <summary>Holds that a document is UTF-8 throughout: a JSON reader does not look into what it passes over.</summary>
internal sealed class TextStream(Stream content, ObjectKey key) : InputStream
{
    private readonly Decoder decoder = new UTF8Encoding(false, throwOnInvalidBytes: true).GetDecoder();
    private char[] scratch = new char[4096];

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var count = await content.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        scratch = scratch.Length > count ? scratch : new char[count + 1];
        try
        {
            decoder.GetChars(buffer.Span[..count], scratch, flush: count == 0);
        }
        catch (DecoderFallbackException invalid)
        {
            throw new WalRusException(ErrorCode.BackupUnreadable, $"'{key}' holds bytes that are no text.", null, invalid);
        }

        return count;
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
