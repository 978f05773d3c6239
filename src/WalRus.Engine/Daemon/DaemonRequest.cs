using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;

namespace WalRus.Daemon;

/// <summary>
/// What a client asks for. One argument stands raw in the body; two stand as an array:
/// <code>
/// u8   count (2)
/// then for each argument:  u16 big-endian length, bytes
/// </code>
/// which fills the body exactly. This file is compiled into the small client too.
/// </summary>
/// <param name="Type">Check, Push, Fetch, Status or Stop.</param>
/// <param name="Name">The pushed path or name, or the fetched file's name; empty otherwise.</param>
/// <param name="Destination">Where a fetched file is to be; empty otherwise.</param>
internal readonly record struct DaemonRequest(DaemonMessageType Type, string Name, string Destination)
{
    /// <summary>Longer than any path PostgreSQL gives, and than any path Linux takes.</summary>
    public const int MaxArgumentBytes = 4096;

    public static DaemonRequest Check => new(DaemonMessageType.Check, "", "");

    public static DaemonRequest Status => new(DaemonMessageType.Status, "", "");

    public static DaemonRequest Stop => new(DaemonMessageType.Stop, "", "");

    public static DaemonRequest Push(string name) => new(DaemonMessageType.Push, name, "");

    public static DaemonRequest Fetch(string name, string destination) => new(DaemonMessageType.Fetch, name, destination);

    /// <summary>Whether the reply to it carries a document.</summary>
    public bool WantsDocument => Type == DaemonMessageType.Status;

    /// <exception cref="ArgumentException">An argument is empty or longer than <see cref="MaxArgumentBytes"/>.</exception>
    public byte[] Encode() => Type switch
    {
        DaemonMessageType.Push => DaemonFrame.Encode(Type, Bytes(Name)),
        DaemonMessageType.Fetch => DaemonFrame.Encode(Type, Array(Bytes(Name), Bytes(Destination))),
        _ => DaemonFrame.Encode(Type, []),
    };

    /// <summary>Reads a request from a whole message's type and body.</summary>
    /// <param name="problem">What is wrong, in words for the log, when the result is false.</param>
    public static bool TryParse(byte type, ReadOnlySpan<byte> body, out DaemonRequest request, out string problem)
    {
        request = default;
        problem = "";
        switch ((DaemonMessageType)type)
        {
            case DaemonMessageType.Check:
                request = Check;
                return true;
            case DaemonMessageType.Status when body.IsEmpty:
                request = Status;
                return true;
            case DaemonMessageType.Stop when body.IsEmpty:
                request = Stop;
                return true;
            case DaemonMessageType.Push when TryText(body, out var pushed):
                request = Push(pushed);
                return true;
            case DaemonMessageType.Fetch when TryPair(body, out var name, out var destination):
                request = Fetch(name, destination);
                return true;
            case DaemonMessageType.Status or DaemonMessageType.Stop or DaemonMessageType.Push or DaemonMessageType.Fetch:
                problem = $"the body of a '{(char)type}' message is not valid";
                return false;
            default:
                problem = $"there is no request 0x{type:x2}";
                return false;
        }
    }

    private static byte[] Bytes(string argument)
    {
        var bytes = Encoding.UTF8.GetBytes(argument);
        return bytes.Length is > 0 and <= MaxArgumentBytes
            ? bytes
            : throw new ArgumentException($"An argument has 1 to {MaxArgumentBytes} bytes; this has {bytes.Length}.", nameof(argument));
    }

    private static byte[] Array(byte[] first, byte[] second)
    {
        var body = new byte[1 + 2 + first.Length + 2 + second.Length];
        body[0] = 2;
        BinaryPrimitives.WriteUInt16BigEndian(body.AsSpan(1), (ushort)first.Length);
        first.CopyTo(body, 3);
        BinaryPrimitives.WriteUInt16BigEndian(body.AsSpan(3 + first.Length), (ushort)second.Length);
        second.CopyTo(body, 5 + first.Length);
        return body;
    }

    private static bool TryPair(ReadOnlySpan<byte> body, out string first, out string second)
    {
        first = second = "";
        return !body.IsEmpty && body[0] == 2
            && TryElement(body[1..], out first, out var rest)
            && TryElement(rest, out second, out rest)
            && rest.IsEmpty;
    }

    private static bool TryElement(ReadOnlySpan<byte> body, out string text, out ReadOnlySpan<byte> rest)
    {
        text = "";
        rest = [];
        if (body.Length < 2)
        {
            return false;
        }

        var length = BinaryPrimitives.ReadUInt16BigEndian(body);
        if (body.Length - 2 < length)
        {
            return false;
        }

        rest = body[(2 + length)..];
        return TryText(body.Slice(2, length), out text);
    }

    /// <summary>A path: not empty, not endless, UTF-8, and without the byte that ends a C string.</summary>
    private static bool TryText(ReadOnlySpan<byte> bytes, out string text)
    {
        text = "";
        if (bytes.Length is 0 or > MaxArgumentBytes || bytes.Contains((byte)0) || !Utf8.IsValid(bytes))
        {
            return false;
        }

        text = Encoding.UTF8.GetString(bytes);
        return true;
    }
}
