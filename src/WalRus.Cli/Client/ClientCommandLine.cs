using System.Globalization;
using WalRus.Daemon;

namespace WalRus.Cli.Client;

/// <summary>
/// The command lines of two clients in one: wal-g's <c>SOCKET COMMAND ARGUMENTS [-flag value]</c>, where the words stand at
/// fixed places, and WAL-RUS's <c>--socket SOCKET [--flag value] COMMAND ARGUMENTS</c>. Flags are Go's: one dash or two, the
/// value after "=" or in the next word.
/// </summary>
internal sealed class ClientCommandLine
{
    private readonly string[] words;
    private int next;
    private string? socket;
    private TimeSpan connectTimeout = TimeSpan.FromSeconds(5);
    private TimeSpan timeout = TimeSpan.FromSeconds(60);
    private bool fallsBack;
    private uint? daemonUserId;

    private ClientCommandLine(string[] words) => this.words = words;

    /// <exception cref="ClientUsageException">The command line is not valid.</exception>
    public static ClientCall Parse(string[] words) => new ClientCommandLine(words).Read();

    private ClientCall Read()
    {
        ReadFlags();
        socket ??= Word();
        // WAL-RUS's flags may stand on either side of the socket.
        ReadFlags();
        var request = ReadCommand(Word());
        ReadFlags();
        return new ClientCall
        {
            SocketPath = socket.Length > 0 ? socket : throw new ClientUsageException("the socket has no name"),
            Request = request,
            ConnectTimeout = connectTimeout,
            Timeout = timeout,
            FallsBack = fallsBack,
            DaemonUserId = daemonUserId,
            Ignored = next < words.Length ? words[next] : null,
        };
    }

    private string Word() => next < words.Length ? words[next++] : throw new ClientUsageException("not enough arguments");

    private DaemonRequest ReadCommand(string command)
    {
        switch (command.ToLowerInvariant())
        {
            case "check": return DaemonRequest.Check;
            case "wal-push": return DaemonRequest.Push(Argument());
            case "wal-fetch": return DaemonRequest.Fetch(Argument(), Argument());
            default: throw new ClientUsageException($"unsupported command {command}");
        }
    }

    private string Argument()
    {
        var word = next < words.Length ? words[next++] : throw new ClientUsageException("not enough command arguments");
        return word.Length is > 0 and <= DaemonRequest.MaxArgumentBytes / 4
            ? word
            : throw new ClientUsageException("an argument is empty, or too long for a path");
    }

    private void ReadFlags()
    {
        while (next < words.Length && words[next].Length > 1 && words[next][0] == '-')
        {
            var word = words[next++];
            if (word == "--")
            {
                return;
            }

            var name = word[(word[1] == '-' ? 2 : 1)..];
            var equals = name.IndexOf('=');
            ReadFlag(equals < 0 ? name : name[..equals], equals < 0 ? null : name[(equals + 1)..]);
        }
    }

    private void ReadFlag(string name, string? attached)
    {
        switch (name)
        {
            case "socket": socket = Value(name, attached); break;
            case "timeout": timeout = Duration(name, attached); break;
            case "connection-timeout": connectTimeout = Duration(name, attached); break;
            case "fallback": fallsBack = Switch(name, attached); break;
            case "daemon-uid": daemonUserId = UserId(name, attached); break;
            default: throw new ClientUsageException($"flag provided but not defined: -{name}");
        }
    }

    private string Value(string name, string? attached) =>
        attached ?? (next < words.Length ? words[next++] : throw new ClientUsageException($"flag needs an argument: -{name}"));

    private TimeSpan Duration(string name, string? attached)
    {
        var text = Value(name, attached);
        return GoDuration.TryParse(text, out var duration) ? duration : throw Invalid(name, text, "a duration such as 60s or 1m30s");
    }

    private uint UserId(string name, string? attached)
    {
        var text = Value(name, attached);
        return uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id)
            ? id
            : throw Invalid(name, text, "the number of an account");
    }

    private static bool Switch(string name, string? attached) => attached switch
    {
        null or "1" or "t" or "T" or "true" or "TRUE" or "True" => true,
        "0" or "f" or "F" or "false" or "FALSE" or "False" => false,
        _ => throw Invalid(name, attached, "true or false"),
    };

    private static ClientUsageException Invalid(string name, string text, string wanted) =>
        new($"invalid value \"{text}\" for flag -{name}: it is not {wanted}");
}

/// <summary>The command line is not valid; the message says what of it.</summary>
internal sealed class ClientUsageException(string message) : Exception(message);
