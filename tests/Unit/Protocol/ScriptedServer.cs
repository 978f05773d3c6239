using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using WalRus.Protocol;

namespace WalRus.Tests.Protocol;

/// <summary>A server that says all it has to say at once to each client, whatever it is asked, and hangs up.</summary>
internal sealed class ScriptedServer : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource closing = new();
    private readonly Task serving;

    public ScriptedServer(byte[] said)
    {
        listener.Start();
        serving = ServeAsync(said);
    }

    public PostgresConnectionSettings Settings => new()
    {
        Endpoints = [new PostgresEndpoint("127.0.0.1", ((IPEndPoint)listener.LocalEndpoint).Port)],
        User = "user",
        Database = "user",
        Password = "secret",
        SslMode = PostgresSslMode.Disable,
        ConnectTimeout = TimeSpan.FromSeconds(5),
    };

    /// <summary>Authentication, a parameter, the key, ready.</summary>
    public static byte[] Start() =>
    [
        .. Message('R', 0, 0, 0, 0),
        .. Message('S', [.. "server_version\0"u8, .. "15.4 (Debian)\0"u8]),
        .. Message('K', 0, 0, 1, 2, 3, 4, 5, 6),
        .. Message('Z', (byte)'I'),
    ];

    /// <summary>A result of one row, completed, ready.</summary>
    public static byte[] Row(params string?[] values) =>
    [
        .. Message('T', [0, (byte)values.Length, .. values.SelectMany(_ => Column())]),
        .. Message('D', [0, (byte)values.Length, .. values.SelectMany(Value)]),
        .. Message('C', [.. "SELECT 1\0"u8]),
        .. Message('Z', (byte)'I'),
    ];

    public static byte[] Message(char type, params byte[] body)
    {
        var message = new byte[5 + body.Length];
        message[0] = (byte)type;
        BinaryPrimitives.WriteInt32BigEndian(message.AsSpan(1), body.Length + 4);
        body.CopyTo(message, 5);
        return message;
    }

    public async ValueTask DisposeAsync()
    {
        await closing.CancelAsync();
        await serving;
        listener.Dispose();
        closing.Dispose();
    }

    private static byte[] Column() => [.. "name\0"u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0];

    private static byte[] Value(string? text) =>
        text is null ? [0xff, 0xff, 0xff, 0xff] : [0, 0, 0, (byte)text.Length, .. Encoding.ASCII.GetBytes(text)];

    private async Task ServeAsync(byte[] said)
    {
        try
        {
            while (true)
            {
                using var peer = await listener.AcceptSocketAsync(closing.Token);
                try
                {
                    await peer.SendAsync(said, closing.Token);
                    peer.Shutdown(SocketShutdown.Send);

                    // What the client says is read away, so that closing does not take back what it has not read yet.
                    var buffer = new byte[1000];
                    while (await peer.ReceiveAsync(buffer, closing.Token) > 0)
                    {
                    }
                }
                catch (SocketException)
                {
                    // The client went away, as it may.
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The test has ended.
        }
    }
}
