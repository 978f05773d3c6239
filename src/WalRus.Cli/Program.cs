using WalRus.Cli;

using var stop = new StopSignals();
return await Application.OfProcess().RunAsync(args, stop.Token).ConfigureAwait(false);
