using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace WalRus.Protocol;

/// <summary>
/// The client's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS. Sources: RFC 5802, RFC 7677, RFC 5929 (tls-server-end-point);
/// PostgreSQL ignores the user's name in it, which the start-up message has given.
/// </summary>
/// <param name="bindingData">The hash of the server's certificate when the channel is bound, else null.</param>
/// <param name="couldBind">The client could have bound the channel had the server offered it: a downgrade is found out.</param>
internal sealed class ScramExchange(string password, byte[]? bindingData, bool couldBind)
{
    public const string Mechanism = "SCRAM-SHA-256";
    public const string BoundMechanism = "SCRAM-SHA-256-PLUS";

    /// <summary>A server that asks for more wants to keep this process busy.</summary>
    private const int MaxIterations = 2_000_000;

    private const int NonceBytes = 18;
    private readonly string nonce = Convert.ToBase64String(RandomNumberGenerator.GetBytes(NonceBytes));
    private byte[] expectedSignature = [];

    private string Header => bindingData is not null ? "p=tls-server-end-point,," : couldBind ? "y,," : "n,,";

    private string FirstBare => $"n=,r={nonce}";

    /// <summary>client-first-message.</summary>
    public byte[] First() => Encoding.UTF8.GetBytes(Header + FirstBare);

    /// <summary>client-final-message.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.PostgresProtocolViolation"/>.</exception>
    public byte[] Final(ReadOnlySpan<byte> serverFirst)
    {
        var first = Encoding.UTF8.GetString(serverFirst);
        var fields = first.Split(',');
        var serverNonce = Value(fields, 0, "r=");
        var salt = Decode(Value(fields, 1, "s="));
        var isCount = int.TryParse(Value(fields, 2, "i="), NumberStyles.None, CultureInfo.InvariantCulture, out var iterations);
        if (!serverNonce.StartsWith(nonce, StringComparison.Ordinal) || serverNonce.Length == nonce.Length)
        {
            throw BodyReader.Violation("its nonce does not begin with ours");
        }

        if (!isCount || iterations is < 1 or > MaxIterations)
        {
            throw BodyReader.Violation("it asks for an impossible number of hashes");
        }

        byte[] binding = [.. Encoding.UTF8.GetBytes(Header), .. bindingData ?? []];
        var withoutProof = $"c={Convert.ToBase64String(binding)},r={serverNonce}";
        var message = Encoding.UTF8.GetBytes($"{FirstBare},{first},{withoutProof}");
        var proof = Prove(salt, iterations, message);
        return Encoding.UTF8.GetBytes($"{withoutProof},p={Convert.ToBase64String(proof)}");
    }

    /// <summary>Checks that the server knows the password's verifier too.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.PostgresAuthenticationFailed"/>.</exception>
    public void Verify(ReadOnlySpan<byte> serverFinal)
    {
        var fields = Encoding.UTF8.GetString(serverFinal).Split(',');
        if (!CryptographicOperations.FixedTimeEquals(Decode(Value(fields, 0, "v=")), expectedSignature))
        {
            throw new WalRusException(
                ErrorCode.PostgresAuthenticationFailed,
                "The server does not prove that it knows the password.",
                "Somebody may be between this machine and the server: check PGHOST and use PGSSLMODE=verify-full.");
        }
    }

    private byte[] Prove(byte[] salt, int iterations, byte[] message)
    {
        var secret = Encoding.UTF8.GetBytes(Prepare(password));
        var salted = Rfc2898DeriveBytes.Pbkdf2(secret, salt, iterations, HashAlgorithmName.SHA256, SHA256.HashSizeInBytes);
        var clientKey = HMACSHA256.HashData(salted, "Client Key"u8);
        var proof = HMACSHA256.HashData(SHA256.HashData(clientKey), message);
        for (var i = 0; i < proof.Length; i++)
        {
            proof[i] ^= clientKey[i];
        }

        expectedSignature = HMACSHA256.HashData(HMACSHA256.HashData(salted, "Server Key"u8), message);
        CryptographicOperations.ZeroMemory(secret);
        CryptographicOperations.ZeroMemory(salted);
        CryptographicOperations.ZeroMemory(clientKey);
        return proof;
    }

    /// <summary>SASLprep (RFC 4013) as far as passwords need it: other spaces, what maps to nothing, normal form KC.</summary>
    private static string Prepare(string text)
    {
        if (Ascii.IsValid(text))
        {
            return text;
        }

        var mapped = new StringBuilder(text.Length);
        foreach (var c in text)
        {
            if (c is '\u00AD' or '\u034F' or '\u1806' or (>= '\u180B' and <= '\u180D') or (>= '\u200B' and <= '\u200D')
                or '\u2060' or (>= '\uFE00' and <= '\uFE0F') or '\uFEFF')
            {
                continue;
            }

            mapped.Append(char.GetUnicodeCategory(c) == UnicodeCategory.SpaceSeparator ? ' ' : c);
        }

        return mapped.ToString().Normalize(NormalizationForm.FormKC);
    }

    private static string Value(string[] fields, int index, string name) =>
        index < fields.Length && fields[index].StartsWith(name, StringComparison.Ordinal)
            ? fields[index][name.Length..]
            : throw BodyReader.Violation("a message of its SCRAM exchange cannot be read");

    private static byte[] Decode(string base64) =>
        Base64.IsValid(base64) ? Convert.FromBase64String(base64)
            : throw BodyReader.Violation("a message of its SCRAM exchange is not base64");
}
