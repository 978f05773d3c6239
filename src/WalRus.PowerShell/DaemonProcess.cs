using System.Diagnostics;
using WalRus.Configuration;
using WalRus.Daemon;

namespace WalRus.Cmdlets;

/// <summary>Starts <c>walrus daemon</c> so that it outlives this session, with the settings of a cmdlet.</summary>
internal static class DaemonProcess
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(50);

    /// <param name="executable">walrus.</param>
    /// <param name="socketPath">Absolute.</param>
    /// <param name="dataDirectory">PGDATA; null to leave it to the settings.</param>
    /// <param name="logPath">Absolute: nobody reads its standard error.</param>
    /// <param name="settings">What the cmdlet was given.</param>
    public static Process Start(
        string executable, string socketPath, string? dataDirectory, string logPath, WalRusSettings settings)
    {
        var start = new ProcessStartInfo(executable)
        {
            UseShellExecute = false,
            CreateNoWindow = true,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var argument in (string[])["daemon", socketPath, "--detach"])
        {
            start.ArgumentList.Add(argument);
        }

        if (settings.ConfigurationFilePath is { } file)
        {
            // By its name, not by its values: a reload reads it again.
            start.ArgumentList.Add($"--config={file}");
        }

        foreach (var setting in SettingCatalog.All)
        {
            foreach (var name in setting.LookupNames)
            {
                start.Environment.Remove(name);
            }
        }

        var given = settings.Effective.Where(value => value.IsSet && value.Origin.Kind != SettingOriginKind.File);
        foreach (var value in given)
        {
            start.Environment[value.Origin.Name ?? value.Setting.Name] = value.Text;
        }

        start.Environment[SettingCatalog.LogDestination.Name] = logPath;
        if (dataDirectory is not null)
        {
            start.Environment[SettingCatalog.PgData.Name] = dataDirectory;
        }

        return Process.Start(start)!;
    }

    /// <summary>Waits until the daemon tells its status.</summary>
    /// <exception cref="WalRusException">It ended, with what it said; or it does not answer in time.</exception>
    public static async Task<DaemonStatus> AnswerAsync(
        Process process, DaemonClient client, string logPath, TimeSpan patience, CancellationToken cancellationToken)
    {
        var start = Stopwatch.GetTimestamp();
        while (true)
        {
            // Another daemon may answer on the socket: then this one is about to end.
            if (await TryAskAsync(client, cancellationToken).ConfigureAwait(false) is { } status && status.ProcessId == process.Id)
            {
                return status;
            }

            if (process.HasExited)
            {
                throw await EndedAsync(process, logPath, cancellationToken).ConfigureAwait(false);
            }

            if (Stopwatch.GetElapsedTime(start) > patience)
            {
                process.Kill();
                throw new WalRusException(
                    ErrorCode.DaemonUnreachable,
                    $"The daemon did not answer within {patience.TotalSeconds:0} s and was ended again.",
                    $"Its log is {logPath}.");
            }

            await Task.Delay(PollInterval, cancellationToken).ConfigureAwait(false);
        }
    }

    private static async Task<DaemonStatus?> TryAskAsync(DaemonClient client, CancellationToken cancellationToken)
    {
        try
        {
            var reply = await client.StatusAsync(cancellationToken).ConfigureAwait(false);
            return reply.Type == DaemonMessageType.Done ? DaemonStatus.Parse(reply.Text) : null;
        }
        catch (WalRusException)
        {
            // Not there yet, or gone.
            return null;
        }
    }

    private static async Task<WalRusException> EndedAsync(Process process, string logPath, CancellationToken cancellationToken)
    {
        var said = await process.StandardError.ReadToEndAsync(cancellationToken).ConfigureAwait(false);
        if (said.Length == 0 && File.Exists(logPath))
        {
            said = string.Join('\n', File.ReadLines(logPath).TakeLast(3));
        }

        return new WalRusException(
            ErrorCode.DaemonRefused,
            $"The daemon ended at once with exit code {process.ExitCode}: {said.Trim()}",
            $"Its log is {logPath}.");
    }
}
