using WalRus.Cli;

ProcessStart.BoundMemory();
using var stop = new StopSignals();
return await new Application().RunAsync(args, stop.Token).ConfigureAwait(false);
