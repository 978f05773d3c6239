using System.Text.Json;

namespace WalRus.Cli.Commands;

/// <summary>User data from a flag or a setting.</summary>
internal static class UserData
{
    /// <returns>Null for no text.</returns>
    /// <exception cref="WalRusException"><see cref="ErrorCode.InvalidArgument"/>: not JSON.</exception>
    public static JsonElement? Parse(string? text, string flag)
    {
        if (string.IsNullOrEmpty(text))
        {
            return null;
        }

        try
        {
            using var document = JsonDocument.Parse(text);
            return document.RootElement.Clone();
        }
        catch (JsonException malformed)
        {
            throw new WalRusException(
                ErrorCode.InvalidArgument,
                $"The value of {flag} is not JSON: {malformed.Message}",
                "A text must be quoted twice, once for the shell: '\"nightly\"'.",
                malformed);
        }
    }
}
