using System.Globalization;
using WalRus.Backup;
using WalRus.Protocol;

namespace WalRus.Configuration;

/// <summary>libpq's settings as one record: PGHOST and so on from any source, with libpq's defaults.</summary>
internal static class PostgresSettings
{
    private const string WrongPort = "a port number from 1 to 65535";

    /// <summary>Where packages put the server's socket, in pgx's order.</summary>
    private static readonly string[] SocketFolders = ["/var/run/postgresql", "/private/tmp", "/tmp"];

    /// <exception cref="WalRusException"><see cref="ErrorCode.SettingInvalid"/>.</exception>
    public static PostgresConnectionSettings Read(WalRusSettings given, string? homeFolder)
    {
        var settings = PostgresServiceFile.Apply(given);
        var user = settings.Text(SettingCatalog.PgUser) ?? Environment.UserName;
        var timeoutSeconds = settings.Integer(SettingCatalog.PgConnectTimeout);
        return new PostgresConnectionSettings
        {
            Endpoints = Endpoints(settings),
            User = user,
            Database = settings.Text(SettingCatalog.PgDatabase) ?? user,
            Password = settings.Text(SettingCatalog.PgPassword),
            PassFile = settings.Text(SettingCatalog.PgPassFile) ?? DefaultPassFile(homeFolder),
            SslMode = settings.Text(SettingCatalog.PgSslMode) switch
            {
                "disable" => PostgresSslMode.Disable,
                "allow" => PostgresSslMode.Allow,
                "require" => PostgresSslMode.Require,
                "verify-ca" => PostgresSslMode.VerifyCa,
                "verify-full" => PostgresSslMode.VerifyFull,
                "prefer" => PostgresSslMode.Prefer,
                _ => null,
            },
            ChannelBinding = settings.Text(SettingCatalog.PgChannelBinding) switch
            {
                "disable" => PostgresChannelBinding.Disable,
                "require" => PostgresChannelBinding.Require,
                _ => PostgresChannelBinding.Prefer,
            },
            SslCertificateFile = settings.Text(SettingCatalog.PgSslCert) ?? DefaultTlsFile(homeFolder, "postgresql.crt"),
            SslKeyFile = settings.Text(SettingCatalog.PgSslKey) ?? DefaultTlsFile(homeFolder, "postgresql.key"),
            SslKeyPassword = settings.Text(SettingCatalog.PgSslPassword),
            SslRootCertificateFile = settings.Text(SettingCatalog.PgSslRootCert) ?? DefaultTlsFile(homeFolder, "root.crt"),
            ApplicationName = settings.Text(SettingCatalog.PgAppName)!,
            Options = settings.Text(SettingCatalog.PgOptions),

            // libpq's 0 waits for ever; nothing here does.
            ConnectTimeout = TimeSpan.FromSeconds(timeoutSeconds == 0 ? 3600 : timeoutSeconds),
        };
    }

    private static List<PostgresEndpoint> Endpoints(WalRusSettings settings)
    {
        var ports = Ports(settings);
        var given = settings.Find(SettingCatalog.PgHost);
        var hosts = given.Text?.Split(',', StringSplitOptions.TrimEntries) ?? [DefaultHost(ports[0])];
        if (ports.Count != 1 && ports.Count != hosts.Length)
        {
            throw WalRusSettings.Invalid(settings.Find(SettingCatalog.PgPort), "one port, or one for each host of PGHOST");
        }

        return [.. hosts.Select((host, i) => new PostgresEndpoint(
            host.Length == 0 ? DefaultHost(ports[Math.Min(i, ports.Count - 1)]) : host, ports[Math.Min(i, ports.Count - 1)]))];
    }

    private static List<int> Ports(WalRusSettings settings)
    {
        var value = settings.Find(SettingCatalog.PgPort);
        return [.. value.Text!.Split(',', StringSplitOptions.TrimEntries).Select(text =>
            ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port > 0
                ? port : throw WalRusSettings.Invalid(value, WrongPort))];
    }

    private static string DefaultHost(int port) => OperatingSystem.IsWindows()
        ? "localhost"
        : SocketFolders.FirstOrDefault(folder =>
            File.Exists(Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $".s.PGSQL.{port}")))) ?? "localhost";

    private static string? DefaultPassFile(string? homeFolder) => Existing(
        homeFolder, OperatingSystem.IsWindows() ? Path.Combine("AppData", "Roaming", "postgresql", "pgpass.conf") : ".pgpass");

    private static string? DefaultTlsFile(string? homeFolder, string name) => Existing(
        homeFolder, Path.Combine(OperatingSystem.IsWindows() ? Path.Combine("AppData", "Roaming", "postgresql") : ".postgresql", name));

    private static string? Existing(string? homeFolder, string name) =>
        homeFolder is not null && Path.Combine(homeFolder, name) is var path && File.Exists(path) ? path : null;
}
