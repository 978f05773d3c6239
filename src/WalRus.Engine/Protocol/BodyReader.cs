using System.Buffers.Binary;
using System.Text;

namespace WalRus.Protocol;

/// <summary>Reads the fields of one message's body; a body that ends too early is a violation of the protocol.</summary>
internal ref struct BodyReader(ReadOnlySpan<byte> body)
{
    private ReadOnlySpan<byte> rest = body;

    public readonly int Remaining => rest.Length;

    public byte Byte() => Take(1)[0];

    public short Int16() => BinaryPrimitives.ReadInt16BigEndian(Take(2));

    public int Int32() => BinaryPrimitives.ReadInt32BigEndian(Take(4));

    public long Int64() => BinaryPrimitives.ReadInt64BigEndian(Take(8));

    public ulong UInt64() => BinaryPrimitives.ReadUInt64BigEndian(Take(8));

    /// <summary>The bytes up to a zero, which is passed over.</summary>
    public ReadOnlySpan<byte> Text()
    {
        var length = rest.IndexOf((byte)0);
        if (length < 0)
        {
            throw Violation("a text has no end");
        }

        var text = rest[..length];
        rest = rest[(length + 1)..];
        return text;
    }

    public string String() => Encoding.UTF8.GetString(Text());

    public ReadOnlySpan<byte> Take(int count)
    {
        if (count < 0 || count > rest.Length)
        {
            throw Violation("a message is shorter than its fields");
        }

        var taken = rest[..count];
        rest = rest[count..];
        return taken;
    }

    public static WalRusException Violation(string what) => new(
        ErrorCode.PostgresProtocolViolation,
        $"The server does not speak PostgreSQL's protocol as it should: {what}.",
        "Check that PGHOST and PGPORT name a PostgreSQL server; a connection pooler does not carry replication.");
}
