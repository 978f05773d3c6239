using System.Text;

namespace WalRus.Daemon;

/// <summary>Writes the metrics to a file for node_exporter's textfile collector, whole or not at all, at an interval.</summary>
public sealed class MetricsFile : IAsyncDisposable
{
    private readonly CancellationTokenSource closing = new();
    private readonly Task writing;

    /// <param name="path">The file; a temporary one beside it is renamed to it.</param>
    /// <param name="interval">How often.</param>
    /// <param name="metrics">Gives the text.</param>
    /// <param name="time">The clock.</param>
    /// <param name="log">Where it says that it cannot write.</param>
    public MetricsFile(string path, TimeSpan interval, Func<string> metrics, TimeProvider time, IEventLog log)
    {
        writing = Task.Run(async () =>
        {
            using var timer = new PeriodicTimer(interval, time);
            try
            {
                do
                {
                    Write(path, metrics, log);
                }
                while (await timer.WaitForNextTickAsync(closing.Token).ConfigureAwait(false));
            }
            catch (OperationCanceledException)
            {
            }
        });
    }

    public async ValueTask DisposeAsync()
    {
        await closing.CancelAsync().ConfigureAwait(false);
        await writing.ConfigureAwait(false);
        closing.Dispose();
    }

    private static void Write(string path, Func<string> metrics, IEventLog log)
    {
        try
        {
            var temporary = path + ".tmp";
            File.WriteAllText(temporary, metrics(), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false));
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception failure)
        {
            // Metrics never end the daemon; the next time may succeed.
            log.DaemonMetricsFailed(path, failure.Message);
        }
    }
}
