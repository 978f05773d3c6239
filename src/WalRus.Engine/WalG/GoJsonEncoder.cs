using System.Text.Encodings.Web;

namespace WalRus.WalG;

/// <summary>
/// Escapes JSON text exactly as Go's encoding/json does by default, so that a document WalRus rewrites differs from
/// wal-g's only where its content does: lower-case hex, <c>&lt; &gt; &amp;</c> and U+2028/2029 escaped, all else as it is.
/// </summary>
internal sealed class GoJsonEncoder : JavaScriptEncoder
{
    private const string HexDigits = "0123456789abcdef";

    private GoJsonEncoder()
    {
    }

    public static GoJsonEncoder Instance { get; } = new();

    public override int MaxOutputCharactersPerInputCharacter => 6;

    public override bool WillEncode(int unicodeScalar) =>
        unicodeScalar is < 0x20 or '"' or '\\' or '<' or '>' or '&' or 0x2028 or 0x2029;

    public override unsafe int FindFirstCharacterToEncode(char* text, int textLength)
    {
        for (var index = 0; index < textLength; index++)
        {
            // A surrogate may be a lone one: from the first on, the base class looks at each and replaces those.
            if (WillEncode(text[index]) || char.IsSurrogate(text[index]))
            {
                return index;
            }
        }

        return -1;
    }

    public override unsafe bool TryEncodeUnicodeScalar(
        int unicodeScalar, char* buffer, int bufferLength, out int numberOfCharactersWritten)
    {
        var target = new Span<char>(buffer, bufferLength);
        var shorthand = unicodeScalar switch
        {
            '"' => '"',
            '\\' => '\\',
            '\b' => 'b',
            '\f' => 'f',
            '\n' => 'n',
            '\r' => 'r',
            '\t' => 't',
            _ => '\0',
        };
        numberOfCharactersWritten = shorthand != '\0' ? 2 : 6;
        if (target.Length < numberOfCharactersWritten)
        {
            numberOfCharactersWritten = 0;
            return false;
        }

        target[0] = '\\';
        if (shorthand != '\0')
        {
            target[1] = shorthand;
            return true;
        }

        target[1] = 'u';
        for (var digit = 0; digit < 4; digit++)
        {
            target[2 + digit] = HexDigits[(unicodeScalar >> (12 - (4 * digit))) & 0xF];
        }

        return true;
    }
}
