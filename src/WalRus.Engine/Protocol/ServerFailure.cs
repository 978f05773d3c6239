namespace WalRus.Protocol;

/// <summary>What an error of the server means to the operator. SQLSTATEs: PostgreSQL's manual, appendix A.</summary>
internal static class ServerFailure
{
    public const string UndefinedFile = "58P01";
    public const string FeatureNotSupported = "0A000";
    public const string UndefinedObject = "42704";
    public const string DuplicateObject = "42710";
    public const string ObjectInUse = "55006";
    public const string ObjectNotInPrerequisiteState = "55000";

    public const string ReachHint =
        "Check that the server runs, and PGHOST, PGPORT and its listen_addresses and pg_hba.conf.";

    private const string LostHint = "Look into the server's log; a backup whose session is lost has to be made again.";

    /// <summary>A refusal to open a session.</summary>
    public static WalRusException WhileConnecting(ServerError error, string where)
    {
        var (code, message, hint, isTransient) = error.SqlState switch
        {
            "28P01" or "28000" => (
                ErrorCode.PostgresAuthenticationFailed,
                $"{where} refused the login: {error.Message}",
                "Check PGUSER, PGPASSWORD or the password file, and the server's pg_hba.conf.",
                false),
            "3D000" => (
                ErrorCode.PostgresQueryFailed,
                $"{where}: {error.Message}",
                "Name an existing database with PGDATABASE; postgres is one that every server has.",
                false),
            "42501" => (
                ErrorCode.PostgresPrivilegeMissing,
                $"{where}: {error.FullMessage}",
                "Grant the role what it lacks: CONNECT on the database that PGDATABASE names, or REPLICATION for replication.",
                false),
            "57P03" or "53300" or "57P01" or "57P02" => (
                ErrorCode.PostgresUnreachable, $"{where}: {error.Message}", "Try again once the server accepts sessions.", true),
            _ => (ErrorCode.PostgresUnreachable, $"{where}: {error.FullMessage} ({error.SqlState})", ReachHint, false),
        };
        return new ServerErrorException(error, code, message, hint) { IsTransient = isTransient };
    }

    /// <summary>An error of a statement on a session that was there.</summary>
    /// <param name="doing">What was being done, for the message: "Starting the backup".</param>
    /// <param name="grants">What to grant when a privilege is missing, or null.</param>
    public static WalRusException WhileQuerying(ServerError error, string doing, string? grants)
    {
        var isLost = error.SqlState is "57P01" or "57P02" or "57P05" || error.SqlState.StartsWith("08", StringComparison.Ordinal);
        var (code, message, hint) = error.SqlState switch
        {
            _ when isLost => (
                ErrorCode.PostgresConnectionLost,
                $"{doing}: the session with the server was lost: {error.Message}",
                LostHint),
            "42501" => (
                ErrorCode.PostgresPrivilegeMissing,
                $"{doing}: {error.FullMessage}",
                grants is null ? "Use a superuser, or grant the role what the message names." : $"As a superuser: {grants}"),
            "57014" => (ErrorCode.DeadlineExceeded, $"{doing}: {error.Message}", error.Hint),
            _ => (ErrorCode.PostgresQueryFailed, $"{doing}: {error.FullMessage} ({error.SqlState})", error.Hint),
        };
        return new ServerErrorException(error, code, message, hint) { IsTransient = isLost };
    }

    /// <summary>The connection broke.</summary>
    public static WalRusException Lost(string doing, string reason, Exception? inner = null) => new(
        ErrorCode.PostgresConnectionLost,
        $"{doing}: the session with the server was lost: {reason}",
        LostHint,
        inner)
    {
        IsTransient = true,
    };

    /// <summary>The server was silent for too long.</summary>
    public static WalRusException Silent(string doing, TimeSpan limit) => new(
        ErrorCode.DeadlineExceeded,
        $"{doing}: nothing came from the server for {limit.TotalSeconds:0} s.",
        "Check the network and the server's load.")
    {
        IsTransient = true,
    };
}
