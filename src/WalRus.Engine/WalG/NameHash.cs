using System.Buffers.Binary;

namespace WalRus.WalG;

/// <summary>
/// 128-bit digests of file names under a random key of its own: two names of one digest do not happen, not even on purpose.
/// Of use within one run only.
/// </summary>
internal readonly struct NameHash
{
    public const int DigestBytes = 16;

    private readonly ulong key1;
    private readonly ulong key2;

    private NameHash(ulong key1, ulong key2) => (this.key1, this.key2) = (key1, key2);

    /// <summary>One with a new key. The key is no secret's: a GUID is random enough, and does without OpenSSL's 4 MB.</summary>
    public static NameHash Create()
    {
        Span<byte> key = stackalloc byte[DigestBytes];
        Guid.NewGuid().TryWriteBytes(key);
        return new NameHash(BinaryPrimitives.ReadUInt64LittleEndian(key), BinaryPrimitives.ReadUInt64LittleEndian(key[sizeof(ulong)..]));
    }

    /// <param name="name">A file's.</param>
    /// <param name="digest">Of <see cref="DigestBytes"/>; never all zero.</param>
    public void Write(ReadOnlySpan<char> name, Span<byte> digest)
    {
        var (first, second) = (Mix(key1 ^ (ulong)name.Length, key2), key2);
        while (!name.IsEmpty)
        {
            ulong four = 0;
            var count = Math.Min(4, name.Length);
            for (var index = 0; index < count; index++)
            {
                four = (four << 16) | name[index];
            }

            first = Mix(first ^ four, second ^ 0x9E3779B97F4A7C15);
            second = Mix(second + four, key1 ^ 0xD6E8FEB86659FD93) ^ first;
            name = name[count..];
        }

        BinaryPrimitives.WriteUInt64LittleEndian(digest, second);
        BinaryPrimitives.WriteUInt64LittleEndian(digest[sizeof(ulong)..], first | 1);
    }

    private static ulong Mix(ulong left, ulong right)
    {
        var high = Math.BigMul(left, right, out var low);
        return high ^ low;
    }
}
