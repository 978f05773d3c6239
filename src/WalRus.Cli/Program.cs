using System.Runtime;
using WalRus.Cli;
using WalRus.Cli.Commands;

if (DaemonClientCommand.RunIfAsked(Environment.GetCommandLineArgs()[0], args) is { } exitCode)
{
    return exitCode;
}

// No thread and no barriers for collections beside the work: ours are of a few megabytes.
GCSettings.LatencyMode = GCLatencyMode.Batch;
using var stop = new StopSignals();
return await Application.OfProcess().RunAsync(args, stop.Token).ConfigureAwait(false);
