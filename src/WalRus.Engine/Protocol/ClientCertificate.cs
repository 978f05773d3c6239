using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace WalRus.Protocol;

/// <summary>The certificate that this side shows: PEM files as libpq takes them.</summary>
internal static class ClientCertificate
{
    private const UnixFileMode OthersMay = UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    /// <summary>Null when none is set.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.SettingInvalid"/>: a file that cannot be read or used.</exception>
    public static SslStreamCertificateContext? Read(PostgresConnectionSettings settings)
    {
        if (settings.SslCertificateFile is not { } file)
        {
            return null;
        }

        var keyFile = settings.SslKeyFile ?? throw new WalRusException(
            ErrorCode.SettingMissing, $"PGSSLCERT is '{file}', and its key is not set.", "Set PGSSLKEY.");
        RequirePrivate(keyFile);
        try
        {
            var certificate = Load(file, keyFile, settings.SslKeyPassword);
            var others = new X509Certificate2Collection();
            others.ImportFromPemFile(file);
            return SslStreamCertificateContext.Create(certificate, others, offline: true);
        }
        catch (Exception failure)
            when (failure is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw Unreadable("PGSSLCERT and PGSSLKEY", $"{file}, {keyFile}", failure.Message, failure);
        }
    }

    public static WalRusException Unreadable(string name, string file, string why, Exception? inner) => new(
        ErrorCode.SettingInvalid, $"{name} ('{file}') cannot be used: {why}", "Give certificates and keys as PEM files.", inner);

    private static X509Certificate2 Load(string file, string keyFile, string? password)
    {
        var certificate = password is null
            ? X509Certificate2.CreateFromPemFile(file, keyFile)
            : X509Certificate2.CreateFromEncryptedPemFile(file, password, keyFile);
        if (!OperatingSystem.IsWindows())
        {
            return certificate;
        }

        // Schannel takes no key that is in no store: this brings it into one that ends with the process.
        using (certificate)
        {
            return new X509Certificate2(certificate.Export(X509ContentType.Pkcs12));
        }
    }

    /// <summary>As libpq: only the owner writes the key, and nobody but its group reads it.</summary>
    private static void RequirePrivate(string keyFile)
    {
        if (!OperatingSystem.IsWindows() && File.Exists(keyFile) && (File.GetUnixFileMode(keyFile) & OthersMay) != 0)
        {
            throw Unreadable("PGSSLKEY", keyFile, "others may open it: its mode must be 0600.", null);
        }
    }
}
