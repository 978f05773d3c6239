using System.Net;
using System.Security;

namespace WalRus.Cmdlets;

/// <summary>Secrets between PowerShell's types and the engine's text.</summary>
internal static class SecretText
{
    public static string Reveal(SecureString secret) => new NetworkCredential("", secret).Password;

    /// <summary>A copy that cannot be changed any more.</summary>
    public static SecureString Copy(SecureString secret)
    {
        var copy = secret.Copy();
        copy.MakeReadOnly();
        return copy;
    }

    public static SecureString Protect(string text)
    {
        var made = new SecureString();
        foreach (var character in text)
        {
            made.AppendChar(character);
        }

        made.MakeReadOnly();
        return made;
    }
}
