namespace WalRus.Cli;

/// <summary>What the process ends with. The table from failures to codes is <see cref="ErrorCodes"/>.</summary>
internal static class ExitCodes
{
    public const int Success = 0;

    /// <summary>Every error, wrong usage and cancellation, as wal-g.</summary>
    public const int Failure = 1;

    public static int Of(Exception failure) => failure is WalRusException known ? ErrorCodes.ExitCode(known.Code) : Failure;
}
