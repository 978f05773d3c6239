using System.Globalization;
using System.Security.Cryptography;

namespace WalRus.Storage.S3;

/// <summary>
/// The ETag that S3 and its like give an object that this store wrote: the MD5 of its bytes where it was one request, else
/// the MD5 of its parts' MD5s and their number. An object written in other parts, or encrypted by the server with a key of
/// its own, has another tag: that proves nothing.
/// </summary>
internal sealed class S3ContentTag : ObjectChecksum
{
    private readonly S3PartSizes sizes;
#pragma warning disable CA5351 // The checksum that the protocol names, no protection.
    private readonly IncrementalHash whole = IncrementalHash.CreateHash(HashAlgorithmName.MD5);
    private readonly IncrementalHash part = IncrementalHash.CreateHash(HashAlgorithmName.MD5);
    private readonly IncrementalHash parts = IncrementalHash.CreateHash(HashAlgorithmName.MD5);
#pragma warning restore CA5351
    private long length;
    private int partBytes;
    private int partCount;
    private string? tag;

    public S3ContentTag(S3PartSizes sizes) => this.sizes = sizes;

    public override void Append(ReadOnlySpan<byte> bytes)
    {
        // What may still turn out to be one request is hashed as both.
        if (length <= sizes.SingleBytes)
        {
            whole.AppendData(bytes[..(int)Math.Min(bytes.Length, sizes.SingleBytes - length)]);
        }

        length += bytes.Length;
        while (!bytes.IsEmpty)
        {
            var left = sizes.BytesOf(partCount + 1) - partBytes;
            if (left == 0)
            {
                EndPart();
                continue;
            }

            var piece = bytes[..Math.Min(bytes.Length, left)];
            part.AppendData(piece);
            partBytes += piece.Length;
            bytes = bytes[piece.Length..];
        }
    }

    public override bool Proves(ObjectInfo info)
    {
        tag ??= Tag();
        return info.SizeBytes == length && string.Equals(info.ETag?.Trim('"'), tag, StringComparison.OrdinalIgnoreCase);
    }

    protected override void Dispose(bool disposing)
    {
        whole.Dispose();
        part.Dispose();
        parts.Dispose();
    }

    private string Tag()
    {
        if (length <= sizes.SingleBytes)
        {
            return S3Signature.Hex(whole.GetHashAndReset());
        }

        EndPart();
        return string.Create(CultureInfo.InvariantCulture, $"{S3Signature.Hex(parts.GetHashAndReset())}-{partCount}");
    }

    private void EndPart()
    {
        parts.AppendData(part.GetHashAndReset());
        partBytes = 0;
        partCount++;
    }
}
