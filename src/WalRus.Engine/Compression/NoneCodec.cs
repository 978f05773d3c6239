using WalRus.Streaming;

namespace WalRus.Compression;

/// <summary>Stores bytes as they are. Nothing in the data tells truncation or damage: only encryption or the store can.</summary>
public sealed class NoneCodec : Codec
{
    public override string Method => "none";

    public override string Extension => "";

    public override bool HasChecksum => false;

    public override OutputStream OpenCompress(Stream destination) => new PassingStream(destination);

    public override Stream OpenDecompress(Stream source) => source;

    private sealed class PassingStream(Stream destination) : OutputStream
    {
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            destination.WriteAsync(buffer, cancellationToken);

        public override ValueTask CompleteAsync(CancellationToken cancellationToken) => default;
    }
}
