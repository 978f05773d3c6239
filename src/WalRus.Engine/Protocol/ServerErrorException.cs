namespace WalRus.Protocol;

/// <summary>A failure that the server reported, with the SQLSTATE for callers that act on it.</summary>
/// <param name="error">What the server said.</param>
/// <param name="code">Which failure it is to the operator.</param>
/// <param name="message">What happened, naming the server or the statement.</param>
/// <param name="hint">The operator's next step, or null.</param>
internal sealed class ServerErrorException(ServerError error, ErrorCode code, string message, string? hint)
    : WalRusException(code, message, hint)
{
    public ServerError Error { get; } = error;

    /// <summary>Five characters, as in PostgreSQL's manual, appendix A.</summary>
    public string SqlState => Error.SqlState;
}
