using System.Buffers.Binary;
using System.Text;

namespace WalRus.Protocol;

/// <summary>Builds one message for the server in a buffer that is used again for the next.</summary>
internal sealed class MessageWriter
{
    private byte[] buffer = new byte[256];
    private int length;
    private int lengthAt;

    /// <summary>The finished message; valid until the next <see cref="Begin"/>.</summary>
    public ReadOnlyMemory<byte> Message
    {
        get
        {
            BinaryPrimitives.WriteInt32BigEndian(buffer.AsSpan(lengthAt), length - lengthAt);
            return buffer.AsMemory(0, length);
        }
    }

    /// <param name="type">The message's letter; 0 for those of the start, which have none.</param>
    public MessageWriter Begin(char type)
    {
        length = 0;
        if (type != 0)
        {
            Room(1)[0] = (byte)type;
        }

        lengthAt = length;
        return Int32(0);
    }

    public MessageWriter Byte(byte value)
    {
        Room(1)[0] = value;
        return this;
    }

    public MessageWriter Int32(int value)
    {
        BinaryPrimitives.WriteInt32BigEndian(Room(4), value);
        return this;
    }

    public MessageWriter Int64(long value)
    {
        BinaryPrimitives.WriteInt64BigEndian(Room(8), value);
        return this;
    }

    public MessageWriter Bytes(ReadOnlySpan<byte> value)
    {
        value.CopyTo(Room(value.Length));
        return this;
    }

    /// <summary>UTF-8 with a zero behind it.</summary>
    /// <exception cref="ArgumentException">A zero within.</exception>
    public MessageWriter Text(string value)
    {
        if (value.Contains('\0', StringComparison.Ordinal))
        {
            throw new ArgumentException("A text of the protocol cannot hold a zero.", nameof(value));
        }

        Encoding.UTF8.GetBytes(value, Room(Encoding.UTF8.GetByteCount(value)));
        return Byte(0);
    }

    /// <summary>Wipes what was written: passwords.</summary>
    public void Clear() => buffer.AsSpan().Clear();

    private Span<byte> Room(int count)
    {
        if (buffer.Length - length < count)
        {
            var larger = new byte[Math.Max(buffer.Length * 2, length + count)];
            buffer.AsSpan(0, length).CopyTo(larger);
            Clear();
            buffer = larger;
        }

        length += count;
        return buffer.AsSpan(length - count, count);
    }
}
