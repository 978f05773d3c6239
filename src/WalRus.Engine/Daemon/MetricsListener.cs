using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using WalRus.Streaming;

namespace WalRus.Daemon;

/// <summary>
/// Answers <c>GET /metrics</c> on a loopback address, one request a connection and one at a time; nothing else is served.
/// </summary>
public sealed class MetricsListener : IAsyncDisposable
{
    private const int MaxRequestBytes = 4096;
    private static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(5);

    private readonly TcpListener listener;
    private readonly Func<string> metrics;
    private readonly IEventLog log;
    private readonly CancellationTokenSource closing = new();
    private readonly Task serving;

    /// <param name="address">A loopback address and a port; 0 for any free one.</param>
    /// <param name="metrics">Gives the text.</param>
    /// <param name="log">Where it says that it cannot answer.</param>
    /// <exception cref="WalRusException"><see cref="ErrorCode.SettingInvalid"/>: not loopback, or the port is taken.</exception>
    public MetricsListener(IPEndPoint address, Func<string> metrics, IEventLog log)
    {
        if (!IPAddress.IsLoopback(address.Address))
        {
            throw new WalRusException(
                ErrorCode.SettingInvalid,
                $"Metrics are not given on {address}: it is not a loopback address.",
                "Use 127.0.0.1:PORT or [::1]:PORT, and a proxy that checks who asks where others must reach it.");
        }

        this.metrics = metrics;
        this.log = log;
        listener = new TcpListener(address);
        try
        {
            listener.Start(16);
        }
        catch (SocketException taken)
        {
            listener.Dispose();
            throw new WalRusException(
                ErrorCode.SettingInvalid, $"Metrics cannot be given on {address}: {taken.Message}.", "Choose another port.", taken);
        }

        serving = Task.Run(ServeAsync);
    }

    /// <summary>Where it listens.</summary>
    public IPEndPoint Address => (IPEndPoint)listener.LocalEndpoint;

    public async ValueTask DisposeAsync()
    {
        await closing.CancelAsync().ConfigureAwait(false);
        await serving.ConfigureAwait(false);
        listener.Dispose();
        closing.Dispose();
    }

    private async Task ServeAsync()
    {
        while (!closing.IsCancellationRequested)
        {
            try
            {
                using var peer = await listener.AcceptSocketAsync(closing.Token).ConfigureAwait(false);
                using var limit = new Deadline(RequestTimeout, closing.Token);
                await AnswerAsync(peer, limit.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                // Too slow a peer, or the end.
            }
            catch (Exception failure)
            {
                // Metrics never end the daemon.
                log.DaemonMetricsFailed($"who asked on {Address}", failure.Message);
            }
        }
    }

    private async Task AnswerAsync(Socket peer, CancellationToken cancellationToken)
    {
        var request = await ReadAsync(peer, cancellationToken).ConfigureAwait(false);
        var (status, body) = request.StartsWith("GET /metrics ", StringComparison.Ordinal)
            ? ("200 OK", metrics())
            : ("404 Not Found", "GET /metrics\n");
        var content = Encoding.UTF8.GetBytes(body);
        var head = string.Create(
            CultureInfo.InvariantCulture,
            $"HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {content.Length}\r\nConnection: close\r\n\r\n");
        await peer.SendAsync(Encoding.ASCII.GetBytes(head), cancellationToken).ConfigureAwait(false);
        await peer.SendAsync(content, cancellationToken).ConfigureAwait(false);
        peer.Shutdown(SocketShutdown.Send);
    }

    /// <summary>The request up to the empty line that ends its head, or as much of it as is looked at.</summary>
    private static async ValueTask<string> ReadAsync(Socket peer, CancellationToken cancellationToken)
    {
        var buffer = new byte[MaxRequestBytes];
        var length = 0;
        while (length < buffer.Length && buffer.AsSpan(0, length).IndexOf("\r\n\r\n"u8) < 0)
        {
            var read = await peer.ReceiveAsync(buffer.AsMemory(length), cancellationToken).ConfigureAwait(false);
            if (read == 0)
            {
                break;
            }

            length += read;
        }

        return Encoding.ASCII.GetString(buffer, 0, length);
    }
}
