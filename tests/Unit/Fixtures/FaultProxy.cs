using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace WalRus.Tests;

/// <summary>A bad network in front of a server: tests/servers/fault-proxy.sh (node).</summary>
internal sealed class FaultProxy : IAsyncDisposable
{
    private static readonly string Script = Path.Combine(Repository.Root, "tests/servers/fault-proxy.sh");

    private readonly int port;

    private FaultProxy(int port) => this.port = port;

    public Uri Endpoint => new($"http://127.0.0.1:{port}");

    /// <summary>Skips the test where node is missing.</summary>
    public static async Task<FaultProxy> StartAsync(Uri target)
    {
        for (var attempt = 1; ; attempt++)
        {
            var port = FreePair();
            var (exitCode, output) = await RunAsync("start", $"{port}", $"{target.Host}:{target.Port}");
            Assert.SkipWhen(output.Contains("is missing", StringComparison.Ordinal), output);
            if (exitCode == 0)
            {
                return new FaultProxy(port);
            }

            Assert.True(attempt < 5, output);
        }
    }

    /// <summary>Applies settings of the proxy, e.g. "blackhole=1".</summary>
    public Task SetAsync(params string[] settings) => SucceedAsync(["set", $"{port}", .. settings]);

    /// <summary>All faults off.</summary>
    public Task ResetAsync() => SucceedAsync(["reset", $"{port}"]);

    /// <summary>Resets every open connection now.</summary>
    public Task CutAsync() => SucceedAsync(["cut", $"{port}"]);

    public async ValueTask DisposeAsync() => await RunAsync("stop", $"{port}");

    private static async Task SucceedAsync(string[] arguments)
    {
        var (exitCode, output) = await RunAsync(arguments);
        Assert.True(exitCode == 0, output);
    }

    private static async Task<(int ExitCode, string Output)> RunAsync(params string[] arguments)
    {
        // Not to pipes: the proxy that it leaves running would hold them open.
        var log = Path.GetTempFileName();
        try
        {
            using var process = Process.Start("bash", ["-c", $"'{Script}' \"$@\" >'{log}' 2>&1", "fault-proxy", .. arguments]);
            await process.WaitForExitAsync();
            return (process.ExitCode, await File.ReadAllTextAsync(log));
        }
        finally
        {
            File.Delete(log);
        }
    }

    /// <summary>A free port whose next one, the control's, is free too.</summary>
    private static int FreePair()
    {
        while (true)
        {
            using var first = new TcpListener(IPAddress.Loopback, 0);
            first.Start();
            var port = ((IPEndPoint)first.LocalEndpoint).Port;
            try
            {
                using var second = new TcpListener(IPAddress.Loopback, port + 1);
                second.Start();
                return port;
            }
            catch (SocketException)
            {
            }
        }
    }
}
