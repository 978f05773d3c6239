using WalRus.Cli;
using WalRus.Cli.Commands;

if (DaemonClientCommand.RunIfAsked(Environment.GetCommandLineArgs()[0], args) is { } exitCode)
{
    return exitCode;
}

using var stop = new StopSignals();
return await Application.OfProcess().RunAsync(args, stop.Token).ConfigureAwait(false);
