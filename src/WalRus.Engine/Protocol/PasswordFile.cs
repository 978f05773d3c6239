using System.Globalization;
using System.Text;

namespace WalRus.Protocol;

/// <summary>
/// libpq's password file. Source: PostgreSQL's manual, "The Password File": lines of host, port, database, user and password,
/// separated by ':', '*' for anything, '\' before a ':' or '\' that is meant; the first that fits counts.
/// </summary>
internal static class PasswordFile
{
    private const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    /// <summary>Where libpq looks for sockets unless told: such a folder stands in the file as localhost.</summary>
    private static readonly string[] DefaultFolders = ["/var/run/postgresql", "/run/postgresql", "/tmp"];

    /// <param name="database">"replication" for a replication session.</param>
    /// <returns>The password, or why there is none.</returns>
    public static (string? Password, string? Reason) Find(string? path, PostgresEndpoint endpoint, string database, string user)
    {
        if (path is null)
        {
            return (null, null);
        }

        if (!File.Exists(path))
        {
            return (null, $"there is no password file '{path}'");
        }

        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & Others) != 0)
        {
            return (null, $"'{path}' is not used, as others may open it: its mode must be 0600");
        }

        try
        {
            foreach (var line in File.ReadLines(path))
            {
                if (Match(line, endpoint, database, user) is { } password)
                {
                    return (password, null);
                }
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return (null, $"'{path}' cannot be read: {failure.Message}");
        }

        return (null, $"'{path}' has no line for {endpoint}, database {database}, user {user}");
    }

    private static string? Match(string line, PostgresEndpoint endpoint, string database, string user)
    {
        if (line.Length == 0 || line[0] == '#')
        {
            return null;
        }

        var rest = line.AsSpan();
        var host = Field(ref rest);
        var port = Field(ref rest);
        var name = Field(ref rest);
        var login = Field(ref rest);
        if (rest.IsEmpty || !IsHost(host, endpoint) || !Fits(port, endpoint.Port.ToString(CultureInfo.InvariantCulture))
            || !Fits(name, database) || !Fits(login, user))
        {
            return null;
        }

        // The password ends with the line; it may hold ':' as they are.
        return Unescape(rest);
    }

    private static bool IsHost(string field, PostgresEndpoint endpoint) =>
        Fits(field, endpoint.Host)
        || (endpoint.IsSocketFolder && field == "localhost" && DefaultFolders.Contains(endpoint.Host.TrimEnd('/')));

    private static bool Fits(string field, string value) => field == "*" || field == value;

    /// <summary>The text up to the next ':' that is not escaped, which is passed over.</summary>
    private static string Field(ref ReadOnlySpan<char> rest)
    {
        var text = new StringBuilder();
        for (var i = 0; i < rest.Length; i++)
        {
            if (rest[i] == ':')
            {
                rest = rest[(i + 1)..];
                return text.ToString();
            }

            if (rest[i] == '\\' && i + 1 < rest.Length)
            {
                i++;
            }

            text.Append(rest[i]);
        }

        rest = [];
        return text.ToString();
    }

    private static string Unescape(ReadOnlySpan<char> rest)
    {
        var text = new StringBuilder(rest.Length);
        for (var i = 0; i < rest.Length; i++)
        {
            if (rest[i] == '\\' && i + 1 < rest.Length)
            {
                i++;
            }

            text.Append(rest[i]);
        }

        return text.ToString();
    }
}
