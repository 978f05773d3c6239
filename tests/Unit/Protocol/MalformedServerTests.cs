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

    private static async Task<string?> AskAsync(byte[] said)
    {
        await using var server = new ScriptedServer(said);
        await using var connection = await PostgresConnection.OpenAsync(server.Settings, SessionKind.Sql, Token);
        return (await connection.QueryRowAsync(new PostgresCommand("Asking", "SELECT 7"), Token))[0];
    }

    /// <summary>Authentication, a parameter, the key, ready; a notice, a row of two values, completed, ready.</summary>
    private static byte[] Recording() =>
    [
        .. ScriptedServer.Start(),
        .. ScriptedServer.Message('N', [.. "SNOTICE\0"u8, .. "VNOTICE\0"u8, .. "C00000\0"u8, .. "Mhear\0"u8, 0]),
        .. ScriptedServer.Row("7", null),
    ];
}
