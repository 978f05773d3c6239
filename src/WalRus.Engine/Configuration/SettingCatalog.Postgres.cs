namespace WalRus.Configuration;

public static partial class SettingCatalog
{
    public static Setting PgHost { get; } =
        Text(SettingGroup.Postgres, "PGHOST", "host, socket directory, or a list of them").Supported();

    public static Setting PgPort { get; } = Text(SettingGroup.Postgres, "PGPORT", "port, or a list as long as the hosts'", "5432").Supported();

    public static Setting PgUser { get; } = Text(SettingGroup.Postgres, "PGUSER", "user; the account's name when not set").Supported();

    public static Setting PgPassword { get; } = Text(SettingGroup.Postgres, "PGPASSWORD", "password").Secret().Supported();

    public static Setting PgPassFile { get; } =
        FilePath(SettingGroup.Postgres, "PGPASSFILE", "password file; ~/.pgpass when not set").Supported();

    public static Setting PgDatabase { get; } =
        Text(SettingGroup.Postgres, "PGDATABASE", "database; the user's name when not set").Supported();

    public static Setting PgSslMode { get; } = Choice(
        SettingGroup.Postgres, "PGSSLMODE", "TLS; prefer for SQL and verify-full for replication over TCP when not set", null, "disable", "allow", "prefer", "require", "verify-ca", "verify-full").Supported();

    public static Setting PgSslCert { get; } = FilePath(SettingGroup.Postgres, "PGSSLCERT", "client certificate").Supported();

    public static Setting PgSslKey { get; } = FilePath(SettingGroup.Postgres, "PGSSLKEY", "client certificate's key").Supported();

    public static Setting PgSslPassword { get; } = Text(SettingGroup.Postgres, "PGSSLPASSWORD", "password of that key").Secret().Supported();

    public static Setting PgSslRootCert { get; } =
        FilePath(SettingGroup.Postgres, "PGSSLROOTCERT", "certificates the server's is checked against").Supported();

    public static Setting PgChannelBinding { get; } = Choice(
        SettingGroup.Postgres, "PGCHANNELBINDING", "bind SCRAM to TLS; for replication", "prefer", "disable", "prefer", "require").Supported();

    public static Setting PgAppName { get; } =
        Text(SettingGroup.Postgres, "PGAPPNAME", "application_name", "walrus").Supported();

    public static Setting PgConnectTimeout { get; } =
        Integer(SettingGroup.Postgres, "PGCONNECT_TIMEOUT", "seconds a connection may take; 0 waits without end", "15", 0, 3600).Supported();

    public static Setting PgOptions { get; } = Text(SettingGroup.Postgres, "PGOPTIONS", "command-line options for the session").Supported();

    public static Setting PgData { get; } = FilePath(SettingGroup.Postgres, "PGDATA", "data directory").Supported();

    public static Setting PgService { get; } =
        Text(SettingGroup.Postgres, "PGSERVICE", "section of the service file to take the connection from").Supported();

    public static Setting PgServiceFile { get; } =
        FilePath(SettingGroup.Postgres, "PGSERVICEFILE", "service file; ~/.pg_service.conf when not set").Supported();

    public static Setting PgSysConfDir { get; } =
        FilePath(SettingGroup.Postgres, "PGSYSCONFDIR", "folder of the system's pg_service.conf").Supported();

    public static Setting PgTargetSessionAttrs { get; } =
        Text(SettingGroup.Postgres, "PGTARGETSESSIONATTRS", "which of several hosts to take", "any").Foreign();
}
