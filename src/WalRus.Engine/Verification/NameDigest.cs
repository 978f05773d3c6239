using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace WalRus.Verification;

/// <summary>
/// A set of names as its size and a sum of their hashes: two sets that came in different orders are compared in a few
/// bytes, however many files a backup has. Of what was not meant to deceive, equal sums are equal sets.
/// </summary>
internal struct NameDigest : IEquatable<NameDigest>
{
    private UInt128 sum;

    public long Count { get; private set; }

    public void Add(string name)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(name), hash);
        unchecked
        {
            sum += BinaryPrimitives.ReadUInt128LittleEndian(hash);
        }

        Count++;
    }

    public void Add(in NameDigest other)
    {
        unchecked
        {
            sum += other.sum;
        }

        Count += other.Count;
    }

    public readonly bool Equals(NameDigest other) => Count == other.Count && sum == other.sum;

    public override readonly bool Equals(object? obj) => obj is NameDigest other && Equals(other);

    public override readonly int GetHashCode() => sum.GetHashCode();
}
