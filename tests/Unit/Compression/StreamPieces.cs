using WalRus.Streaming;

namespace WalRus.Tests.Compression;

/// <summary>Test data and streams that split it in awkward places.</summary>
internal static class StreamPieces
{
    /// <summary>Bytes that compress about as well as WAL: words, runs of zeros and noise.</summary>
    public static byte[] Data(int size, int seed)
    {
        var random = new Random(seed);
        var data = new byte[size];
        for (var at = 0; at < size;)
        {
            var length = Math.Min(size - at, random.Next(1, 200));
            switch (random.Next(3))
            {
                case 0:
                    random.NextBytes(data.AsSpan(at, length));
                    break;
                case 1 when at > 300:
                    data.AsSpan(at - random.Next(200, 300), length).ToArray().CopyTo(data, at);
                    break;
            }

            at += length;
        }

        return data;
    }

    /// <summary>Sends <paramref name="data"/> through a writing stream in pieces of random sizes.</summary>
    public static async Task<byte[]> WriteAsync(Func<Stream, OutputStream> open, byte[] data, int? seed = null)
    {
        var sink = new MemoryStream();
        var random = seed is { } value ? new Random(value) : null;
        await using var stream = open(sink);
        for (var at = 0; at < data.Length;)
        {
            var length = Math.Min(data.Length - at, random?.Next(1, 40_000) ?? data.Length);
            await stream.WriteAsync(data.AsMemory(at, length));
            at += length;
        }

        await stream.CompleteAsync(CancellationToken.None);
        return sink.ToArray();
    }

    /// <summary>Reads a stream to its end in pieces of random sizes from a source that gives random sizes.</summary>
    public static async Task<byte[]> ReadAsync(Func<Stream, Stream> open, byte[] stored, int? seed = null)
    {
        var random = seed is { } value ? new Random(value) : null;
        await using var stream = open(random is null ? new MemoryStream(stored) : new CrumblingSource(stored, value: seed!.Value));
        var result = new MemoryStream();
        var buffer = new byte[50_000];
        int read;
        while ((read = await stream.ReadAsync(buffer.AsMemory(0, random?.Next(1, buffer.Length) ?? buffer.Length))) > 0)
        {
            result.Write(buffer, 0, read);
        }

        Assert.Equal(0, await stream.ReadAsync(buffer));
        return result.ToArray();
    }

    /// <summary>The error that reading gives, or null when it reaches the end.</summary>
    public static async Task<WalRusException?> ReadErrorAsync(Func<Stream, Stream> open, byte[] stored)
    {
        try
        {
            await ReadAsync(open, stored);
            return null;
        }
        catch (WalRusException failure)
        {
            return failure;
        }
    }

    private sealed class CrumblingSource(byte[] data, int value) : InputStream
    {
        private readonly Random random = new(value);
        private int at;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (random.Next(4) == 0)
            {
                await Task.Yield();
            }

            var length = Math.Min(Math.Min(buffer.Length, data.Length - at), random.Next(1, 9000));
            data.AsMemory(at, length).CopyTo(buffer);
            at += length;
            return length;
        }
    }
}
