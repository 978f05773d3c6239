using System.Net.Sockets;
using Npgsql;
using WalRus.Protocol;

namespace WalRus.Backup;

/// <summary>What a failure of the driver means to the operator; what the server says is <see cref="ServerFailure"/>'s.</summary>
internal static class PostgresFailure
{
    /// <summary>A failure to get a session.</summary>
    public static WalRusException WhileConnecting(Exception failure, string where) => failure is PostgresException refused
        ? ServerFailure.WhileConnecting(ErrorOf(refused), where)
        : new WalRusException(
            ErrorCode.PostgresUnreachable, $"{where} cannot be reached: {Innermost(failure)}", ServerFailure.ReachHint, failure)
        {
            IsTransient = true,
        };

    /// <summary>A failure of a query on a session that was there.</summary>
    /// <param name="doing">What was being done, for the message: "Starting the backup".</param>
    /// <param name="grants">What to grant when a privilege is missing, or null.</param>
    public static WalRusException WhileQuerying(Exception failure, string doing, string? grants) => failure switch
    {
        PostgresException error => ServerFailure.WhileQuerying(ErrorOf(error), doing, grants),
        _ when IsTimeout(failure) => new WalRusException(
            ErrorCode.DeadlineExceeded, $"{doing}: the server did not answer in time.", null, failure),
        _ => ServerFailure.Lost(doing, Innermost(failure), failure),
    };

    /// <summary>True for what a driver call may throw because of the server, the network or the session's state.</summary>
    public static bool IsOfServer(Exception failure) =>
        failure is NpgsqlException or IOException or SocketException or TimeoutException or ObjectDisposedException
            or InvalidOperationException;

    /// <summary>Without the detail, which the driver leaves out.</summary>
    private static ServerError ErrorOf(PostgresException error) =>
        new(error.InvariantSeverity, error.SqlState, error.MessageText) { Hint = error.Hint };

    private static bool IsTimeout(Exception failure) =>
        failure is TimeoutException || failure.InnerException is TimeoutException;

    private static string Innermost(Exception failure) => failure.GetBaseException().Message;
}
