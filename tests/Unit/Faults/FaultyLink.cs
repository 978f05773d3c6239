using System.Net;
using System.Net.Sockets;

namespace WalRus.Tests.Faults;

/// <summary>What becomes of one connection of a <see cref="FaultyLink"/>; bytes are counted from its start.</summary>
internal sealed record LinkFault
{
    /// <summary>After so many bytes from the client nothing passes any more.</summary>
    public long UpBytes { get; init; } = long.MaxValue;

    /// <summary>The same from the server.</summary>
    public long DownBytes { get; init; } = long.MaxValue;

    /// <summary>At that byte the connection is reset, instead of staying open in silence.</summary>
    public bool Resets { get; init; }

    /// <summary>Bytes a second in each direction; 0 for no limit.</summary>
    public int BytesPerSecond { get; init; }
}

/// <summary>A TCP link on loopback to a real server that can stop, or end, at any byte, or be slow.</summary>
internal sealed class FaultyLink : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource stop = new();
    private readonly Uri target;
    private readonly Func<LinkFault> next;
    private readonly Task accepting;
    private long up;
    private long down;

    /// <param name="target">Where the server is.</param>
    /// <param name="next">What becomes of the next connection.</param>
    public FaultyLink(Uri target, Func<LinkFault> next)
    {
        (this.target, this.next) = (target, next);
        listener.Start();
        accepting = AcceptAsync();
    }

    public string Endpoint => $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}";

    /// <summary>The most bytes that one connection carried each way.</summary>
    public (long Up, long Down) Most => (Interlocked.Read(ref up), Interlocked.Read(ref down));

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        listener.Stop();
        await accepting;
        stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        List<Task> carrying = [];
        try
        {
            while (true)
            {
                carrying.Add(CarryAsync(await listener.AcceptSocketAsync(stop.Token)));
            }
        }
        catch (Exception ended) when (ended is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(carrying);
        }
    }

    private async Task CarryAsync(Socket client)
    {
        using var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        using (client)
        {
            try
            {
                client.NoDelay = server.NoDelay = true;
                await server.ConnectAsync(target.Host == "localhost" ? "127.0.0.1" : target.Host, target.Port, stop.Token);
                var fault = next();
                var ends = await Task.WhenAny(
                    PumpAsync(client, server, fault.UpBytes, fault, bytes => KeepMost(ref up, bytes)),
                    PumpAsync(server, client, fault.DownBytes, fault, bytes => KeepMost(ref down, bytes)));
                if (!await ends)
                {
                    client.LingerState = new LingerOption(true, 0);
                }
            }
            catch (Exception gone) when (gone is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                // One side left, or the test ended.
            }
        }
    }

    /// <returns>False when the connection is to be reset.</returns>
    private async Task<bool> PumpAsync(Socket from, Socket to, long limit, LinkFault fault, Action<long> passed)
    {
        var buffer = new byte[32 << 10];
        var total = 0L;
        while (true)
        {
            var room = fault.BytesPerSecond > 0 ? Math.Min(buffer.Length, Math.Max(1, fault.BytesPerSecond / 50)) : buffer.Length;
            var read = await from.ReceiveAsync(buffer.AsMemory(0, room), stop.Token);
            if (read == 0)
            {
                return true;
            }

            var allowed = (int)Math.Min(read, limit - total);
            await to.SendAsync(buffer.AsMemory(0, allowed), stop.Token);
            passed(total += allowed);
            if (total >= limit)
            {
                // What was passed on must arrive before a reset does.
                await Task.Delay(fault.Resets ? TimeSpan.FromMilliseconds(20) : Timeout.InfiniteTimeSpan, stop.Token);
                return false;
            }

            if (fault.BytesPerSecond > 0)
            {
                await Task.Delay(TimeSpan.FromSeconds((double)allowed / fault.BytesPerSecond), stop.Token);
            }
        }
    }

    private static void KeepMost(ref long most, long bytes)
    {
        for (var seen = Interlocked.Read(ref most); bytes > seen; seen = Interlocked.Read(ref most))
        {
            Interlocked.CompareExchange(ref most, bytes, seen);
        }
    }
}
