using WalRus.Daemon;

namespace WalRus.Cli.Client;

/// <summary>
/// The daemon's client, from its words to an exit code: 0 done, 74 not in the archive, 1 anything else. Compiled twice: into
/// walrus (<c>walrus daemon-client</c>) and, alone, into a program small enough to be started for each segment.
/// </summary>
/// <param name="name">What this program is called in messages.</param>
/// <param name="version">What --version prints.</param>
/// <param name="output">Writes to standard output.</param>
/// <param name="errors">Writes to standard error.</param>
/// <param name="fallBack">Runs walrus with these arguments in this process' place and returns its exit code.</param>
internal sealed class ClientProgram(
    string name, string version, Action<string> output, Action<string> errors, Func<string[], int> fallBack)
{
    /// <summary>EX_IOERR, as wal-g: the archive does not hold the file.</summary>
    private const int NotInArchive = 74;
    private const int Failure = 1;

    public int Run(string[] words)
    {
        if (words.Length > 0 && words[0].ToLowerInvariant() is "--version" or "-version")
        {
            output(version + "\n");
            return 0;
        }

        if (words.Length > 0 && words[0] is "--help" or "-help" or "-h")
        {
            output(Usage());
            return 0;
        }

        try
        {
            return Run(ClientCommandLine.Parse(words));
        }
        catch (ClientUsageException wrong)
        {
            output($"Error: {wrong.Message}\n\n{Usage()}");
            return Failure;
        }
    }

    private int Run(ClientCall call)
    {
        if (call.Ignored is { } ignored)
        {
            errors($"{name}: '{ignored}' and what follows it is ignored\n");
        }

        using var socket = ClientSocket.Create();
        var reached = socket.Connect(call.SocketPath, call.ConnectTimeout, call.DaemonUserId);
        if (reached != Reached.Yes)
        {
            return NotReached(call, reached);
        }

        return DaemonExchange.Ask(socket, call.Request, call.Timeout, out var reply) switch
        {
            Exchanged.Replied => Replied(call, reply),
            Exchanged.TimedOut => Fail($"the daemon at '{call.SocketPath}' did not answer in time; {What(call)} may still be done"),
            _ => Fail($"the daemon at '{call.SocketPath}' closed the connection without an answer; {What(call)} may be done or not"),
        };
    }

    private int Replied(ClientCall call, DaemonReply reply)
    {
        switch (reply.Type)
        {
            case DaemonMessageType.Done:
                return 0;
            case DaemonMessageType.NotFound:
                // Not on standard error: replay asks for one file too many at every end of recovery.
                output($"{name}: the archive does not hold '{call.Request.Name}'\n");
                return NotInArchive;
            default:
                return Fail(reply.Text.Length > 0
                    ? $"the daemon failed {What(call)}: {reply.Text}"
                    : $"the daemon failed {What(call)}; its log says why");
        }
    }

    private int NotReached(ClientCall call, Reached reached)
    {
        var why = reached switch
        {
            Reached.NoSocket => "there is no such socket",
            Reached.NobodyListens => "nobody listens on it",
            Reached.TimedOut => "it takes no connection in time",
            Reached.Denied => "this account may not connect to it",
            Reached.Stranger => "what listens runs under another account and is not trusted; see -daemon-uid",
            _ => "it is not a socket, or its path is too long for one",
        };
        var none = $"no daemon answers at '{call.SocketPath}': {why}";

        // Only where there is no daemon: one that is there, but out of reach, is for somebody to look at.
        var absent = reached is Reached.NoSocket or Reached.NobodyListens or Reached.TimedOut;
        if (!absent || !call.FallsBack || call.Request.Type == DaemonMessageType.Check)
        {
            return Fail(none);
        }

        var paths = new DaemonPaths(Environment.GetEnvironmentVariable("PGDATA"));
        string[] instead = call.Request.Type == DaemonMessageType.Push
            ? ["wal-push", paths.Pushed(call.Request.Name)]
            : ["wal-fetch", call.Request.Name, paths.Destination(call.Request.Destination)];
        errors($"{name}: {none}; running 'walrus {string.Join(' ', instead)}' instead\n");
        return fallBack(instead);
    }

    private int Fail(string why)
    {
        errors($"{name}: {why}\n");
        return Failure;
    }

    private static string What(ClientCall call) => call.Request.Type switch
    {
        DaemonMessageType.Push => $"wal-push of '{call.Request.Name}'",
        DaemonMessageType.Fetch => $"wal-fetch of '{call.Request.Name}'",
        _ => "the check",
    };

    private string Usage() =>
        $"""
        Asks an archiving daemon (WalRus, wal-g or WAL-RUS) for one WAL file: archive_command and restore_command.

        Usage:
          {name} SOCKET wal-push WAL_FILE [flags]
          {name} SOCKET wal-fetch WAL_NAME DESTINATION [flags]
          {name} SOCKET check [flags]
          {name} --version

        Flags, with one dash or two:
          -timeout DURATION             for the answer (default 60s)
          -connection-timeout DURATION  for the connection (default 5s)
          -fallback                     when no daemon answers, do it with walrus itself and say so
          -daemon-uid NUMBER            trust a daemon of this account too, not of this one and root only
          -socket PATH                  before the command, instead of SOCKET

        Exit code: 0 done and durable, 74 not in the archive (wal-fetch), 1 anything else.

        """;
}
