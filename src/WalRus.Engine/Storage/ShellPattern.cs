namespace WalRus.Storage;

/// <summary>
/// A shell pattern for whole paths and keys, as Go's filepath.Match has it: '*' and '?' never match a '/', '[a-z]' and
/// '[^a-z]' are classes, '\' takes the next character as it is.
/// </summary>
internal sealed class ShellPattern
{
    private readonly string pattern;

    /// <exception cref="WalRusException"><see cref="ErrorCode.InvalidArgument"/>: not a pattern.</exception>
    public ShellPattern(string pattern)
    {
        this.pattern = pattern;
        if (!IsValid(pattern))
        {
            throw new WalRusException(
                ErrorCode.InvalidArgument, $"'{pattern}' is not a pattern.", "Write one such as 'base/16384/*' or 'global/[0-9]*'.");
        }
    }

    /// <summary>True for a text in which some character means more than itself.</summary>
    public static bool HasWildcard(string text) => text.AsSpan().IndexOfAny("*?[\\") >= 0;

    public bool Matches(string text) => Matches(pattern, text);

    private static bool Matches(ReadOnlySpan<char> pattern, ReadOnlySpan<char> text)
    {
        // One star is remembered: a later one makes an earlier one's other choices needless.
        ReadOnlySpan<char> afterStar = default;
        ReadOnlySpan<char> starText = default;
        var hasStar = false;
        while (true)
        {
            if (!pattern.IsEmpty && pattern[0] == '*')
            {
                hasStar = true;
                pattern = pattern[1..];
                afterStar = pattern;
                starText = text;
            }
            else if (!text.IsEmpty && TryTake(ref pattern, text[0]))
            {
                text = text[1..];
            }
            else if (text.IsEmpty && pattern.IsEmpty)
            {
                return true;
            }
            else if (hasStar && !starText.IsEmpty && starText[0] != '/')
            {
                starText = starText[1..];
                pattern = afterStar;
                text = starText;
            }
            else
            {
                return false;
            }
        }
    }

    /// <summary>Takes one element of the pattern if it matches the character.</summary>
    private static bool TryTake(ref ReadOnlySpan<char> pattern, char character)
    {
        if (pattern.IsEmpty)
        {
            return false;
        }

        var rest = pattern;
        var matches = rest[0] switch
        {
            '?' => character != '/',
            '[' => TakeClass(ref rest, character),
            '\\' => TakeEscaped(ref rest) == character,
            var plain => plain == character,
        };
        if (matches)
        {
            pattern = rest[1..];
        }

        return matches;
    }

    /// <summary>Leaves <paramref name="rest"/> at the closing bracket.</summary>
    private static bool TakeClass(ref ReadOnlySpan<char> rest, char character)
    {
        rest = rest[1..];
        var negated = rest[0] == '^';
        if (negated)
        {
            rest = rest[1..];
        }

        var matches = false;
        do
        {
            var low = rest[0] == '\\' ? TakeEscaped(ref rest) : rest[0];
            var high = low;
            if (rest[1] == '-')
            {
                rest = rest[2..];
                high = rest[0] == '\\' ? TakeEscaped(ref rest) : rest[0];
            }

            matches |= low <= character && character <= high;
            rest = rest[1..];
        }
        while (rest[0] != ']');

        return matches != negated && character != '/';
    }

    /// <summary>Leaves <paramref name="rest"/> at the escaped character.</summary>
    private static char TakeEscaped(ref ReadOnlySpan<char> rest)
    {
        rest = rest[1..];
        return rest[0];
    }

    /// <summary>True when no class is open or empty, no range half, and no backslash last.</summary>
    private static bool IsValid(ReadOnlySpan<char> pattern)
    {
        while (!pattern.IsEmpty)
        {
            if (pattern[0] == '[')
            {
                pattern = pattern[1..];
                if (!TrySkipClass(ref pattern))
                {
                    return false;
                }
            }
            else if (!TrySkipCharacter(ref pattern))
            {
                return false;
            }
        }

        return true;
    }

    private static bool TrySkipClass(ref ReadOnlySpan<char> pattern)
    {
        if (pattern.StartsWith("^"))
        {
            pattern = pattern[1..];
        }

        for (var first = true; first || pattern.IsEmpty || pattern[0] != ']'; first = false)
        {
            if (pattern.IsEmpty || pattern[0] is ']' or '-' || !TrySkipCharacter(ref pattern))
            {
                return false;
            }

            if (pattern.StartsWith("-"))
            {
                pattern = pattern[1..];
                if (pattern.IsEmpty || pattern[0] is ']' or '-' || !TrySkipCharacter(ref pattern))
                {
                    return false;
                }
            }
        }

        pattern = pattern[1..];
        return true;
    }

    private static bool TrySkipCharacter(ref ReadOnlySpan<char> pattern)
    {
        var length = pattern[0] == '\\' ? 2 : 1;
        if (pattern.Length < length)
        {
            return false;
        }

        pattern = pattern[length..];
        return true;
    }
}
