using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;
using WalRus.Streaming;

namespace WalRus.WalG;

/// <summary>
/// Numbers by file name, for as many names as a backup has: a hash table in a temporary local file, so that memory does
/// not grow with them. Names are held as digests (<see cref="NameHash"/>). Thread-safe.
/// </summary>
internal sealed class NameTable : IDisposable
{
    private const int DigestBytes = NameHash.DigestBytes;

    /// <summary>A digest, all zero in an empty slot, and its number.</summary>
    private const int SlotBytes = DigestBytes + sizeof(uint);

    /// <summary>Read and written at once; a full one goes on in the next.</summary>
    private const int BucketSlots = 25;

    private const int BucketBytes = BucketSlots * SlotBytes;
    private const long FirstBuckets = 64;
    private const int MostFilledPercent = 60;

    private readonly object gate = new();
    private readonly string folder;
    private readonly byte[] bucket = new byte[BucketBytes];
    private readonly NameHash hash = NameHash.Create();
    private FileStream file;
    private long buckets = FirstBuckets;

    private NameTable(string folder)
    {
        this.folder = folder;
        file = TemporaryFile.Create(folder, bufferBytes: 0);
        RandomAccess.SetLength(file.SafeFileHandle, buckets * BucketBytes);
    }

    /// <summary>How many names there are.</summary>
    public long Count { get; private set; }

    /// <exception cref="WalRusException">The folder is missing or not writable, or its disk is full.</exception>
    public static NameTable Create(string folder)
    {
        try
        {
            return new NameTable(folder);
        }
        catch (IOException failed)
        {
            throw DurableFile.Translate(failed, folder);
        }
    }

    /// <returns>Null for a name that is not there.</returns>
    public uint? Find(ReadOnlySpan<char> name)
    {
        Span<byte> digest = stackalloc byte[DigestBytes];
        hash.Write(name, digest);
        lock (gate)
        {
            try
            {
                return Seek(file.SafeFileHandle, digest, out var slot, out _)
                    ? BinaryPrimitives.ReadUInt32LittleEndian(bucket.AsSpan(slot + DigestBytes))
                    : null;
            }
            catch (IOException failed)
            {
                throw DurableFile.Translate(failed, folder);
            }
        }
    }

    /// <summary>Adds a name, or changes its number.</summary>
    public void Set(ReadOnlySpan<char> name, uint number)
    {
        Span<byte> digest = stackalloc byte[DigestBytes];
        hash.Write(name, digest);
        lock (gate)
        {
            try
            {
                Put(digest, number);
            }
            catch (IOException failed)
            {
                throw DurableFile.Translate(failed, folder);
            }
        }
    }

    public void Dispose() => file.Dispose();

    private void Put(ReadOnlySpan<byte> digest, uint number)
    {
        var handle = file.SafeFileHandle;
        if (!Seek(handle, digest, out var slot, out var offset))
        {
            if ((Count + 1) * 100 > buckets * BucketSlots * MostFilledPercent)
            {
                Grow();
                handle = file.SafeFileHandle;
                Seek(handle, digest, out slot, out offset);
            }

            Count++;
        }

        Write(handle, digest, number, slot, offset);
    }

    private void Write(SafeFileHandle handle, ReadOnlySpan<byte> digest, uint number, int slot, long offset)
    {
        digest.CopyTo(bucket.AsSpan(slot));
        BinaryPrimitives.WriteUInt32LittleEndian(bucket.AsSpan(slot + DigestBytes), number);
        RandomAccess.Write(handle, bucket.AsSpan(slot, SlotBytes), offset + slot);
    }

    /// <summary>Has the bucket with the digest's slot, or the free one for it, in memory.</summary>
    private bool Seek(SafeFileHandle handle, ReadOnlySpan<byte> digest, out int slot, out long offset)
    {
        var index = (long)(BinaryPrimitives.ReadUInt64LittleEndian(digest) % (ulong)buckets);
        while (true)
        {
            offset = index * BucketBytes;
            ReadBucket(handle, offset, bucket);
            for (slot = 0; slot < BucketBytes; slot += SlotBytes)
            {
                var there = bucket.AsSpan(slot, DigestBytes);
                if (there.SequenceEqual(digest))
                {
                    return true;
                }

                if (!there.ContainsAnyExcept((byte)0))
                {
                    return false;
                }
            }

            index = index + 1 < buckets ? index + 1 : 0;
        }
    }

    private void Grow()
    {
        var old = file;
        var oldBuckets = buckets;
        file = TemporaryFile.Create(folder, bufferBytes: 0);
        buckets *= 4;
        using (old)
        {
            RandomAccess.SetLength(file.SafeFileHandle, buckets * BucketBytes);
            var moved = new byte[BucketBytes];
            for (long index = 0; index < oldBuckets; index++)
            {
                ReadBucket(old.SafeFileHandle, index * BucketBytes, moved);
                for (var at = 0; at < BucketBytes; at += SlotBytes)
                {
                    var digest = moved.AsSpan(at, DigestBytes);
                    if (digest.ContainsAnyExcept((byte)0))
                    {
                        Seek(file.SafeFileHandle, digest, out var slot, out var offset);
                        Write(
                            file.SafeFileHandle,
                            digest,
                            BinaryPrimitives.ReadUInt32LittleEndian(moved.AsSpan(at + DigestBytes)),
                            slot,
                            offset);
                    }
                }
            }
        }
    }

    private static void ReadBucket(SafeFileHandle handle, long offset, byte[] target)
    {
        for (var filled = 0; filled < BucketBytes;)
        {
            var read = RandomAccess.Read(handle, target.AsSpan(filled), offset + filled);
            filled += read > 0 ? read : throw new EndOfStreamException("it is shorter than what was written to it.");
        }
    }
}
