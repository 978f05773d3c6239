using System.Diagnostics;
using System.Text;
using WalRus.Daemon;

namespace WalRus.Tests.EndToEnd;

/// <summary>A <c>walrus daemon</c> as it ships, under the server's account.</summary>
internal sealed class DaemonProcess : IAsyncDisposable
{
    private readonly Process process;
    private readonly StringBuilder output = new();

    private DaemonProcess(Process process, string socketPath)
    {
        this.process = process;
        SocketPath = socketPath;
        process.ErrorDataReceived += Keep;
        process.OutputDataReceived += Keep;
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
    }

    public string SocketPath { get; }

    public int Id => process.Id;

    /// <summary>What it has logged so far.</summary>
    public string Output
    {
        get
        {
            lock (output)
            {
                return output.ToString();
            }
        }
    }

    /// <summary>Returns once it answers.</summary>
    public static async Task<DaemonProcess> StartAsync(string socketPath, IReadOnlyDictionary<string, string> environment)
    {
        var daemon = new DaemonProcess(WalRusProgram.Start(["daemon", socketPath], environment), socketPath);
        try
        {
            await PostgresCluster.UntilAsync(async () =>
            {
                Assert.False(daemon.process.HasExited, daemon.Output);
                return await daemon.AnswersAsync();
            });
            return daemon;
        }
        catch
        {
            await daemon.DisposeAsync();
            throw;
        }
    }

    public async Task<DaemonStatus> StatusAsync() =>
        DaemonStatus.Parse((await Client().StatusAsync(TestContext.Current.CancellationToken)).Text);

    /// <summary>SIGKILL.</summary>
    public async Task KillAsync()
    {
        process.Kill();
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>SIGTERM; returns the exit code.</summary>
    public async Task<int> TerminateAsync()
    {
        await SignalAsync("TERM");
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        await process.WaitForExitAsync(limit.Token);
        return process.ExitCode;
    }

    public async Task SignalAsync(string name)
    {
        using var kill = Process.Start("kill", [$"-{name}", $"{process.Id}"]);
        await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited)
        {
            process.Kill();
            await process.WaitForExitAsync();
        }

        process.Dispose();
    }

    private DaemonClient Client() => new(new DaemonClientOptions { SocketPath = SocketPath });

    private async Task<bool> AnswersAsync()
    {
        try
        {
            return (await Client().CheckAsync(TestContext.Current.CancellationToken)).Type == DaemonMessageType.Done;
        }
        catch (WalRusException)
        {
            return false;
        }
    }

    private void Keep(object sender, DataReceivedEventArgs line)
    {
        lock (output)
        {
            output.AppendLine(line.Data);
        }
    }
}
