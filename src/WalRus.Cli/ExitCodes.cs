using WalRus.Backup;
using WalRus.Cli.CommandLine;

namespace WalRus.Cli;

/// <summary>What the process ends with. The table from failures to codes is <see cref="ErrorCodes"/>.</summary>
internal static class ExitCodes
{
    public const int Success = 0;

    /// <summary>Every error, wrong usage and cancellation, as wal-g.</summary>
    public const int Failure = 1;

    /// <summary>As below, and what <c>wal-fetch --stop-recovery</c> makes of a failure that says nothing about the archive's end.</summary>
    public static int Of(Exception failure, ParsedCommandLine line) =>
        Of(failure) is var code && code == Failure && line.Has(RestoreCommand.StopRecoveryFlag) ? ErrorCodes.ExitStopsRecovery : code;

    public static int Of(Exception failure) => failure is WalRusException known ? ErrorCodes.ExitCode(known.Code) : Failure;
}
