namespace WalRus.Configuration;

/// <summary>
/// libpq's service file. Source: PostgreSQL's manual, "The Connection Service File": sections [name] of parameter=value lines;
/// the user's file first, then the system's. A service's values go before the environment's, as with libpq and pgx.
/// </summary>
internal static class PostgresServiceFile
{
    /// <summary>libpq's parameter: the setting it is here.</summary>
    private static readonly Dictionary<string, Setting> Parameters = new(StringComparer.Ordinal)
    {
        ["host"] = SettingCatalog.PgHost,
        ["port"] = SettingCatalog.PgPort,
        ["user"] = SettingCatalog.PgUser,
        ["password"] = SettingCatalog.PgPassword,
        ["passfile"] = SettingCatalog.PgPassFile,
        ["dbname"] = SettingCatalog.PgDatabase,
        ["sslmode"] = SettingCatalog.PgSslMode,
        ["sslcert"] = SettingCatalog.PgSslCert,
        ["sslkey"] = SettingCatalog.PgSslKey,
        ["sslpassword"] = SettingCatalog.PgSslPassword,
        ["sslrootcert"] = SettingCatalog.PgSslRootCert,
        ["channel_binding"] = SettingCatalog.PgChannelBinding,
        ["application_name"] = SettingCatalog.PgAppName,
        ["connect_timeout"] = SettingCatalog.PgConnectTimeout,
        ["options"] = SettingCatalog.PgOptions,
    };

    /// <summary>Parameters whose absence changes neither which server is reached nor how safely.</summary>
    private static readonly HashSet<string> Passed =
    [
        "client_encoding", "fallback_application_name", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count",
        "tcp_user_timeout", "gssencmode", "krbsrvname", "gsslib", "sslcompression", "sslsni", "load_balance_hosts",
    ];

    /// <summary>The settings with those of the service that PGSERVICE names, if it does.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.SettingInvalid"/> or <see cref="ErrorCode.SettingNotSupported"/>.</exception>
    public static WalRusSettings Apply(WalRusSettings settings)
    {
        if (settings.Text(SettingCatalog.PgService) is not { } service)
        {
            return settings;
        }

        var files = Files(settings).ToList();
        foreach (var file in files.Where(File.Exists))
        {
            if (Section(file, service) is { } found)
            {
                return settings.WithGiven(found);
            }
        }

        throw WalRusSettings.Invalid(
            settings.Find(SettingCatalog.PgService), $"the name of a section [{service}] in {string.Join(" or ", files)}");
    }

    private static IEnumerable<string> Files(WalRusSettings settings)
    {
        if (settings.Text(SettingCatalog.PgServiceFile) is { } given)
        {
            yield return given;
        }
        else if (settings.HomeFolder is { } home)
        {
            yield return OperatingSystem.IsWindows()
                ? Path.Combine(home, "AppData", "Roaming", "postgresql", ".pg_service.conf")
                : Path.Combine(home, ".pg_service.conf");
        }

        if (settings.Text(SettingCatalog.PgSysConfDir) is { } folder)
        {
            yield return Path.Combine(folder, "pg_service.conf");
        }
        else if (!OperatingSystem.IsWindows())
        {
            yield return "/etc/postgresql-common/pg_service.conf";
        }
    }

    /// <summary>The section's values by our names; null when the file has no such section.</summary>
    private static Dictionary<string, string>? Section(string file, string service)
    {
        Dictionary<string, string>? values = null;
        var number = 0;
        foreach (var text in Lines(file))
        {
            number++;
            var line = text.Trim();
            if (line.Length == 0 || line[0] == '#')
            {
                continue;
            }

            if (line[0] == '[')
            {
                if (values is not null)
                {
                    return values;
                }

                values = line == $"[{service}]" ? new(StringComparer.OrdinalIgnoreCase) : null;
            }
            else if (values is not null)
            {
                Take(values, line, $"'{file}', line {number}");
            }
        }

        return values;
    }

    private static void Take(Dictionary<string, string> values, string line, string where)
    {
        var equals = line.IndexOf('=', StringComparison.Ordinal);
        var name = equals < 0 ? line : line[..equals].TrimEnd();
        if (equals >= 0 && Parameters.TryGetValue(name, out var setting))
        {
            // As with libpq, the first of two counts.
            values.TryAdd(setting.Name, line[(equals + 1)..].TrimStart());
        }
        else if (!Passed.Contains(name))
        {
            throw new WalRusException(
                equals < 0 ? ErrorCode.SettingInvalid : ErrorCode.SettingNotSupported,
                equals < 0 ? $"{where}: a line is not parameter=value." : $"{where}: WalRus does not know the parameter '{name}'.",
                $"It knows {string.Join(", ", Parameters.Keys)}.");
        }
    }

    private static IEnumerable<string> Lines(string file)
    {
        try
        {
            return File.ReadLines(file);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new WalRusException(ErrorCode.SettingInvalid, $"'{file}' cannot be read: {failure.Message}", null, failure);
        }
    }
}
