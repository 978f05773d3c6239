using System.Net.Sockets;
using Npgsql;

namespace WalRus.Backup;

/// <summary>What a failure of the driver or of the server means to the operator. SQLSTATEs: PostgreSQL's manual, appendix A.</summary>
internal static class PostgresFailure
{
    private const string ReachHint =
        "Check that the server runs, and PGHOST, PGPORT and its listen_addresses and pg_hba.conf.";

    /// <summary>A failure to get a session.</summary>
    public static WalRusException WhileConnecting(Exception failure, string where) => failure switch
    {
        PostgresException { SqlState: "28P01" or "28000" } refused => new WalRusException(
            ErrorCode.PostgresAuthenticationFailed,
            $"{where} refused the login: {refused.MessageText}",
            "Check PGUSER, PGPASSWORD or the password file, and the server's pg_hba.conf.",
            failure),
        PostgresException { SqlState: "3D000" } missing => new WalRusException(
            ErrorCode.PostgresQueryFailed,
            $"{where}: {missing.MessageText}",
            "Name an existing database with PGDATABASE; postgres is one that every server has.",
            failure),
        PostgresException { SqlState: "42501" } denied => new WalRusException(
            ErrorCode.PostgresPrivilegeMissing,
            $"{where}: {denied.MessageText}",
            "Grant the role CONNECT on the database that PGDATABASE names.",
            failure),
        PostgresException { SqlState: "57P03" or "53300" or "57P01" or "57P02" } busy => new WalRusException(
            ErrorCode.PostgresUnreachable, $"{where}: {busy.MessageText}", "Try again once the server accepts sessions.", failure)
        {
            IsTransient = true,
        },
        PostgresException other => new WalRusException(
            ErrorCode.PostgresUnreachable, $"{where}: {other.MessageText} ({other.SqlState})", ReachHint, failure),
        _ => new WalRusException(
            ErrorCode.PostgresUnreachable, $"{where} cannot be reached: {Innermost(failure)}", ReachHint, failure)
        {
            IsTransient = true,
        },
    };

    /// <summary>A failure of a query on a session that was there.</summary>
    /// <param name="doing">What was being done, for the message: "Starting the backup".</param>
    /// <param name="grants">What to grant when a privilege is missing, or null.</param>
    public static WalRusException WhileQuerying(Exception failure, string doing, string? grants) => failure switch
    {
        PostgresException { SqlState: "42501" } denied => new WalRusException(
            ErrorCode.PostgresPrivilegeMissing,
            $"{doing}: {denied.MessageText}",
            grants is null ? "Use a superuser, or grant the role what the message names." : $"As a superuser: {grants}",
            failure),
        PostgresException { SqlState: "57014" } canceled => new WalRusException(
            ErrorCode.DeadlineExceeded, $"{doing}: {canceled.MessageText}", null, failure),
        PostgresException { SqlState: "57P01" or "57P02" or "57P05" } ended => Lost(failure, doing, ended.MessageText),
        PostgresException { SqlState: var state } error when state.StartsWith("08", StringComparison.Ordinal) =>
            Lost(failure, doing, error.MessageText),
        PostgresException error => new WalRusException(
            ErrorCode.PostgresQueryFailed, $"{doing}: {error.MessageText} ({error.SqlState})", null, failure),
        _ when IsTimeout(failure) => new WalRusException(
            ErrorCode.DeadlineExceeded, $"{doing}: the server did not answer in time.", null, failure),
        _ => Lost(failure, doing, Innermost(failure)),
    };

    /// <summary>True for what a driver call may throw because of the server, the network or the session's state.</summary>
    public static bool IsOfServer(Exception failure) =>
        failure is NpgsqlException or IOException or SocketException or TimeoutException or ObjectDisposedException
            or InvalidOperationException;

    private static WalRusException Lost(Exception failure, string doing, string reason) => new(
        ErrorCode.PostgresConnectionLost,
        $"{doing}: the session with the server was lost: {reason}",
        "Look into the server's log; a backup whose session is lost cannot be finished and has to be made again.",
        failure)
    {
        IsTransient = true,
    };

    private static bool IsTimeout(Exception failure) =>
        failure is TimeoutException || failure.InnerException is TimeoutException;

    private static string Innermost(Exception failure) => failure.GetBaseException().Message;
}
