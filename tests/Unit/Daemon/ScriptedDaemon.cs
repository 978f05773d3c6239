using System.Net.Sockets;

namespace WalRus.Tests.Daemon;

/// <summary>Takes connections one after the other, reads one message of each, and writes what it was told to.</summary>
internal sealed class ScriptedDaemon : IAsyncDisposable
{
    private readonly Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource stop = new();
    private readonly TaskCompletionSource<byte[]> request = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly byte[] reply;
    private readonly Task serving;

    public ScriptedDaemon(string path, byte[] reply)
    {
        this.reply = reply;
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        serving = ServeAsync();
    }

    /// <summary>The first message received.</summary>
    public Task<byte[]> Request => request.Task;

    public bool OneByteAtATime { get; init; }

    /// <summary>Leaves the connection open after the reply.</summary>
    public bool StaysOpen { get; init; }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await serving;
        listener.Dispose();
        stop.Dispose();
    }

    private async Task ServeAsync()
    {
        List<Socket> open = [];
        try
        {
            while (true)
            {
                var client = await listener.AcceptAsync(stop.Token);
                open.Add(client);
                await AnswerAsync(client);
                if (!StaysOpen)
                {
                    client.Dispose();
                }
            }
        }
        catch (OperationCanceledException)
        {
            open.ForEach(client => client.Dispose());
        }
    }

    private async Task AnswerAsync(Socket client)
    {
        var buffer = new byte[65_535];
        var read = await client.ReceiveAsync(buffer, stop.Token);
        request.TrySetResult(buffer[..read]);
        foreach (var part in OneByteAtATime ? reply.Chunk(1) : [reply])
        {
            await client.SendAsync(part, stop.Token);
        }
    }
}
