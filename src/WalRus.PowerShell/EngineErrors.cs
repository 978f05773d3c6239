using System.Management.Automation;

namespace WalRus.Cmdlets;

/// <summary>Error records from what the engine throws: stable id, category, target and recommended action.</summary>
internal static class EngineErrors
{
    public static ErrorRecord ToRecord(Exception failure, object? target)
    {
        var (code, hint) = failure switch
        {
            WalRusException known => (known.Code, known.Hint),
            ArgumentException or FormatException => (ErrorCode.InvalidArgument, null),
            OperationCanceledException => (ErrorCode.Cancelled, null),
            IOException => (ErrorCode.FileFailed, null),
            UnauthorizedAccessException => (ErrorCode.FileAccessDenied, null),
            _ => (ErrorCode.Unexpected, null),
        };
        var category = Enum.Parse<ErrorCategory>(ErrorCodes.Category(code));
        var record = new ErrorRecord(failure, code.ToString(), category, target);
        if (hint is not null)
        {
            record.ErrorDetails = new ErrorDetails(failure.Message) { RecommendedAction = hint };
        }

        return record;
    }
}
