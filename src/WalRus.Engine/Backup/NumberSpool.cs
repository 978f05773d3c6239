using System.Buffers.Binary;
using WalRus.Streaming;

namespace WalRus.Backup;

/// <summary>Numbers, one a file, that are added in an order and read again in the same order: they wait in a temporary file.</summary>
internal sealed class NumberSpool : IDisposable
{
    private const int BufferBytes = 4096;

    private readonly string folder;
    private readonly FileStream file;
    private readonly byte[] buffer = new byte[BufferBytes];
    private long added;
    private long read;

    /// <param name="folder">For the temporary file.</param>
    public NumberSpool(string folder)
    {
        this.folder = folder;
        file = TemporaryFile.Create(folder, bufferBytes: 0);
    }

    /// <summary>How many have not been read.</summary>
    public long Left => added - read;

    /// <summary>Not after the first was read.</summary>
    public void Add(long number)
    {
        var at = (int)(added++ * sizeof(long) % BufferBytes);
        BinaryPrimitives.WriteInt64LittleEndian(buffer.AsSpan(at), number);
        if (at + sizeof(long) == BufferBytes)
        {
            Do(() => RandomAccess.Write(file.SafeFileHandle, buffer, (added * sizeof(long)) - BufferBytes));
        }
    }

    /// <summary>The next one; null when there are no more.</summary>
    public long? Next()
    {
        if (Left == 0)
        {
            return null;
        }

        var at = (int)(read * sizeof(long) % BufferBytes);
        if (at == 0)
        {
            var start = read * sizeof(long);
            var unwritten = (int)(added * sizeof(long) % BufferBytes);
            if (read == 0 && unwritten > 0)
            {
                Do(() => RandomAccess.Write(file.SafeFileHandle, buffer.AsSpan(0, unwritten), (added * sizeof(long)) - unwritten));
            }

            Do(() => RandomAccess.Read(file.SafeFileHandle, buffer, start));
        }

        read++;
        return BinaryPrimitives.ReadInt64LittleEndian(buffer.AsSpan(at));
    }

    public void Dispose() => file.Dispose();

    private void Do(Action action)
    {
        try
        {
            action();
        }
        catch (IOException failure)
        {
            throw DurableFile.Translate(failure, folder);
        }
    }
}
