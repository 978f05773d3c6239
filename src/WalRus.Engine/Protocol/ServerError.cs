using System.Text;

namespace WalRus.Protocol;

/// <summary>
/// An ErrorResponse or NoticeResponse. Source: PostgreSQL's manual, "Error and Notice Message Fields": a letter and a
/// zero-terminated text for each field, then a zero byte.
/// </summary>
/// <param name="Severity">Never translated (field V): ERROR, FATAL, PANIC, WARNING, NOTICE ...</param>
/// <param name="SqlState">Five characters; "XX000" when the server sent none.</param>
internal sealed record ServerError(string Severity, string SqlState, string Message)
{
    private const string Unknown = "XX000";

    public string? Detail { get; init; }

    public string? Hint { get; init; }

    /// <summary>The message, and what the server adds to it.</summary>
    public string FullMessage => Detail is null ? Message : $"{Message} ({Detail})";

    /// <exception cref="WalRusException"><see cref="ErrorCode.PostgresProtocolViolation"/>.</exception>
    public static ServerError Parse(ReadOnlySpan<byte> body)
    {
        var reader = new BodyReader(body);
        var error = new ServerError("ERROR", Unknown, "the server gave no reason");
        for (var field = reader.Byte(); field != 0; field = reader.Byte())
        {
            var text = Encoding.UTF8.GetString(reader.Text());
            error = field switch
            {
                (byte)'V' => error with { Severity = text },
                (byte)'C' when text.Length == 5 => error with { SqlState = text },
                (byte)'M' => error with { Message = text },
                (byte)'D' => error with { Detail = text },
                (byte)'H' => error with { Hint = text },
                _ => error,
            };
        }

        return error;
    }
}
