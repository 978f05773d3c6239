using System.Buffers.Binary;

namespace WalRus.Daemon;

/// <summary>What a parser says about the bytes received so far.</summary>
internal enum DaemonParse
{
    /// <summary>Nothing is wrong yet; more bytes are needed.</summary>
    Incomplete,
    Complete,

    /// <summary>No further byte can make it valid.</summary>
    Malformed,
}

/// <summary>
/// One message as it stands on the socket:
/// <code>
/// offset 0  u8   type
/// offset 1  u16  big-endian: length of the whole message, these three bytes included (3..65535)
/// offset 3  body
/// </code>
/// Source: wal-g's daemon protocol, as its client and its daemon write it. This file is compiled into the small client too, so
/// it needs nothing else of the engine.
/// </summary>
/// <param name="Type">The first byte, whether or not it is one of <see cref="DaemonMessageType"/>.</param>
/// <param name="Length">Bytes of the whole message.</param>
internal readonly record struct DaemonFrame(byte Type, int Length)
{
    public const int HeaderBytes = 3;
    public const int MaxBytes = ushort.MaxValue;
    public const int MaxBodyBytes = MaxBytes - HeaderBytes;

    /// <summary>
    /// Reads the header as soon as it is there, so that a reader knows how much to wait for; <see cref="DaemonParse.Complete"/>
    /// only once the body is there as well.
    /// </summary>
    public static DaemonParse Read(ReadOnlySpan<byte> received, out DaemonFrame frame)
    {
        frame = default;
        if (received.Length < HeaderBytes)
        {
            return DaemonParse.Incomplete;
        }

        frame = new DaemonFrame(received[0], BinaryPrimitives.ReadUInt16BigEndian(received[1..]));
        if (frame.Length < HeaderBytes)
        {
            return DaemonParse.Malformed;
        }

        return received.Length < frame.Length ? DaemonParse.Incomplete : DaemonParse.Complete;
    }

    /// <summary>The body, in the bytes this was read from.</summary>
    public ReadOnlySpan<byte> Body(ReadOnlySpan<byte> received) => received[HeaderBytes..Length];

    /// <exception cref="ArgumentException">The body is longer than <see cref="MaxBodyBytes"/>.</exception>
    public static byte[] Encode(DaemonMessageType type, ReadOnlySpan<byte> body)
    {
        if (body.Length > MaxBodyBytes)
        {
            throw new ArgumentException($"A message holds at most {MaxBodyBytes} bytes; this has {body.Length}.", nameof(body));
        }

        var message = new byte[HeaderBytes + body.Length];
        message[0] = (byte)type;
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(1), (ushort)message.Length);
        body.CopyTo(message.AsSpan(HeaderBytes));
        return message;
    }
}
