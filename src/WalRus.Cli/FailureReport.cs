using System.Net.Sockets;
using WalRus.Cli.CommandLine;
using WalRus.Cli.Terminal;

namespace WalRus.Cli;

/// <summary>What a failed command says: message, and the operator's next step on a line of its own.</summary>
internal static class FailureReport
{
    /// <summary>Everything but wrong usage, which has a form of its own.</summary>
    public static bool IsExpected(Exception failure) => failure is not UsageException;

    public static void Write(ConsoleLog log, Exception failure, bool isStopped)
    {
        switch (failure)
        {
            case WalRusException known:
                log.Error(known.Code, known.Message, known.Hint);
                break;
            case OperationCanceledException when isStopped:
                log.Error(ErrorCode.Cancelled, "Stopped by a signal; nothing half-done was left.", null);
                break;
            case ArgumentException or FormatException:
                log.Error(ErrorCode.InvalidArgument, failure.Message, null);
                break;
            case UnauthorizedAccessException:
                log.Error(ErrorCode.FileAccessDenied, failure.Message, null);
                break;
            case IOException or SocketException:
                log.Error(ErrorCode.FileFailed, failure.Message, null);
                break;
            case OutOfMemoryException:
                log.Error(ErrorCode.Unexpected, "The command needs more memory than the program allows itself.",
                    "Please report it with the command; the PowerShell module has no such bound.");
                break;
            default:
                log.Error(ErrorCode.Unexpected, $"This should not have happened: {failure.GetType().Name}: {failure.Message}",
                    "Please report it with the lines that WALG_LOG_LEVEL=DEVEL shows.");
                break;
        }

        if (log.IsEnabled(EventLevel.Debug))
        {
            log.Write(new LogEvent(EventLevel.Debug, "Stack", failure.ToString()));
        }
    }
}
