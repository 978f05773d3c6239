using System.Net;
using System.Net.Sockets;
using WalRus.Protocol;

namespace WalRus.Tests.Protocol;

/// <summary>What a real server said is said again with a byte changed or the end cut off.</summary>
public sealed class MalformedServerTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_flipped_or_missing_byte_is_an_error_and_never_a_fault_or_a_wait()
    {
        var recorded = Recording();
        Assert.Equal("7", await AskAsync(recorded));
        for (var at = 0; at < recorded.Length; at++)
        {
            foreach (var mask in new byte[] { 0x01, 0x80 })
            {
                var flipped = recorded.ToArray();
                flipped[at] ^= mask;
                await SurviveAsync(flipped);
            }

            await SurviveAsync(recorded[..at]);
        }
    }

    private static async Task SurviveAsync(byte[] said)
    {
        try
        {
            await AskAsync(said).WaitAsync(TimeSpan.FromSeconds(10), Token);
        }
        catch (WalRusException)
        {
            // An error of its own is what a server of this kind shall end in, where what it says can be told from sense at all.
        }
    }

    /// <summary>Connects and reads a row from a server that says all at once, whatever it is asked.</summary>
    private static async Task<string?> AskAsync(byte[] said)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var settings = new PostgresConnectionSettings
        {
            Endpoints = [new PostgresEndpoint("127.0.0.1", ((IPEndPoint)listener.LocalEndpoint).Port)],
            User = "user",
            Database = "user",
            Password = "secret",
            SslMode = PostgresSslMode.Disable,
            ConnectTimeout = TimeSpan.FromSeconds(5),
        };
        var serving = ServeAsync(listener, said);
        try
        {
            await using var connection = await PostgresConnection.OpenAsync(settings, SessionKind.Sql, Token);
            return (await connection.QueryRowAsync(new PostgresCommand("Asking", "SELECT 7"), Token))[0];
        }
        finally
        {
            await serving;
        }
    }

    private static async Task ServeAsync(TcpListener listener, byte[] said)
    {
        using var peer = await listener.AcceptSocketAsync(Token);
        try
        {
            await peer.SendAsync(said, Token);
            peer.Shutdown(SocketShutdown.Send);

            // What the client says is read away, so that closing does not take back what it has not read yet.
            var buffer = new byte[1000];
            while (await peer.ReceiveAsync(buffer, Token) > 0)
            {
            }
        }
        catch (SocketException)
        {
            // The client went away, as it may.
        }
    }

    /// <summary>Authentication, a parameter, the key, ready; a notice, a row of two values, completed, ready.</summary>
    private static byte[] Recording() =>
    [
        .. Message('R', 0, 0, 0, 0),
        .. Message('S', [.. "server_version\0"u8, .. "15.4 (Debian)\0"u8]),
        .. Message('K', 0, 0, 1, 2, 3, 4, 5, 6),
        .. Message('Z', (byte)'I'),
        .. Message('N', [.. "SNOTICE\0"u8, .. "VNOTICE\0"u8, .. "C00000\0"u8, .. "Mhear\0"u8, 0]),
        .. Message('T', [0, 2, .. Column(), .. Column()]),
        .. Message('D', 0, 2, 0, 0, 0, 1, (byte)'7', 0xff, 0xff, 0xff, 0xff),
        .. Message('C', [.. "SELECT 1\0"u8]),
        .. Message('Z', (byte)'I'),
    ];

    private static byte[] Column() => [.. "name\0"u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0];

    private static byte[] Message(char type, params byte[] body) =>
        [(byte)type, 0, 0, (byte)((body.Length + 4) >> 8), (byte)(body.Length + 4), .. body];
}
