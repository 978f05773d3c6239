using WalRus.Configuration;

namespace WalRus.Cli.CommandLine;

/// <summary>
/// wal-g's command line: one command word, flags anywhere before or after it, --flag value or --flag=value, -f, -fvalue,
/// -ab, "--" before plain arguments, and each setting as a flag of its own (--walg-compression-method).
/// <para>A parser of our own: System.CommandLine does not know 200 flags that exist only by rule, words its errors
/// otherwise than wal-g does, and costs an archive_command more start-up than everything else together.</para>
/// </summary>
internal sealed class CommandLineParser(IReadOnlyList<Command> commands, string programName)
{
    public static IReadOnlyList<CommandOption> GlobalOptions { get; } =
    [
        new("config", "configuration file (default is $HOME/.walg.json, can also be set by WALG_CONFIG_PATH)", null, "string"),
        new("turbo", "ignore the rate limits of the configuration"),
        new("log-format", "log lines as text or json", null, "string"),
        new("help", "help for the command", 'h'),
        new("version", "version", 'v'),
    ];

    /// <exception cref="UsageException">The command line is not valid.</exception>
    public ParsedCommandLine Parse(IReadOnlyList<string> arguments)
    {
        var position = FindCommand(arguments);
        if (position is null)
        {
            return Parse(null, arguments);
        }

        var name = arguments[position.Value];
        var command = commands.FirstOrDefault(candidate => candidate.Name == name)
            ?? throw new UsageException($"unknown command \"{name}\" for \"{programName}\"");
        var rest = arguments.Where((_, i) => i != position.Value).ToList();
        (command, rest) = Descend(command, rest);
        return command.ReadsOwnFlags
            ? new ParsedCommandLine { Command = command, Arguments = rest }
            : Parse(command, rest);
    }

    /// <summary>From "st" to "st transfer" to "st transfer files", as far as there are words for it.</summary>
    private (Command Command, List<string> Words) Descend(Command command, List<string> rest)
    {
        while (command.Subcommands.Count > 0 && FindWord(rest, command.Options) is { } position)
        {
            var word = rest[position];
            command = command.Subcommands.FirstOrDefault(candidate => candidate.Name == $"{command.Name} {word}")
                ?? throw new UsageException($"unknown command \"{word}\" for \"{programName} {command.Name}\"", command);
            rest.RemoveAt(position);
        }

        return (command, rest);
    }

    private static CommandOption? GlobalOption(string name) => GlobalOptions.FirstOrDefault(option => option.Name == name);

    /// <summary>The setting a flag stands for, by any of its names; null for no setting.</summary>
    private static string? SettingOf(string flag)
    {
        var name = flag.ToUpperInvariant().Replace('-', '_');
        return SettingCatalog.Find(name) is null ? null : name;
    }

    /// <summary>Where the first plain word is, passing over the values of flags that may stand before it.</summary>
    private static int? FindCommand(IReadOnlyList<string> arguments) => FindWord(arguments, []);

    /// <param name="options">Of the command that the word follows.</param>
    private static int? FindWord(IReadOnlyList<string> arguments, IReadOnlyList<CommandOption> options)
    {
        for (var i = 0; i < arguments.Count; i++)
        {
            var argument = arguments[i];
            if (argument == "--")
            {
                return null;
            }

            if (argument.Length < 2 || argument[0] != '-')
            {
                return i;
            }

            if (TakesNextWord(argument, options))
            {
                i++;
            }
        }

        return null;
    }

    private static bool TakesNextWord(string flag, IReadOnlyList<CommandOption> options) =>
        flag.StartsWith("--", StringComparison.Ordinal)
            ? !flag.Contains('=', StringComparison.Ordinal)
                && ((options.FirstOrDefault(option => option.Name == flag[2..]) ?? GlobalOption(flag[2..]))?.TakesValue
                    ?? SettingOf(flag[2..]) is not null)
            : flag.Length == 2 && options.FirstOrDefault(option => option.Short == flag[1])?.TakesValue == true;

    private ParsedCommandLine Parse(Command? command, IReadOnlyList<string> arguments)
    {
        var reader = new Reader(command, arguments);
        var parsed = reader.Read();

        // Help is given whatever else is wrong with the line.
        if (command is not null && !parsed.Has("help"))
        {
            CheckCount(command, parsed.Arguments);
        }

        return parsed;
    }

    private void CheckCount(Command command, IReadOnlyList<string> arguments)
    {
        var (least, most, count) = (command.MinimumArguments, command.MaximumArguments, arguments.Count);
        if (count >= least && count <= most)
        {
            return;
        }

        throw new UsageException(
            most == 0 ? FormattableString.Invariant($"unknown command \"{arguments[0]}\" for \"{programName} {command.Name}\"")
            : least == most ? FormattableString.Invariant($"accepts {most} arg(s), received {count}")
            : least == 0 ? FormattableString.Invariant($"accepts at most {most} arg(s), received {count}")
            : FormattableString.Invariant($"accepts between {least} and {most} arg(s), received {count}"),
            command);
    }

    /// <summary>One pass over the words of a command line.</summary>
    private sealed class Reader(Command? command, IReadOnlyList<string> words)
    {
        private readonly Dictionary<string, string> options = [];
        private readonly Dictionary<string, string> settings = [];
        private readonly List<string> plain = [];
        private int next;

        public ParsedCommandLine Read()
        {
            while (next < words.Count)
            {
                var word = words[next++];
                if (word == "--")
                {
                    plain.AddRange(words.Skip(next));
                    break;
                }

                if (word.StartsWith("--", StringComparison.Ordinal))
                {
                    ReadLong(word[2..]);
                }
                else if (word.Length > 1 && word[0] == '-')
                {
                    ReadShort(word);
                }
                else
                {
                    plain.Add(word);
                }
            }

            return new ParsedCommandLine { Command = command, Arguments = plain, Options = options, Settings = settings };
        }

        private void ReadLong(string flag)
        {
            var equals = flag.IndexOf('=', StringComparison.Ordinal);
            var name = equals < 0 ? flag : flag[..equals];
            var attached = equals < 0 ? null : flag[(equals + 1)..];
            if (command?.Options.FirstOrDefault(known => known.Name == name) is { } option || (option = GlobalOption(name)) is not null)
            {
                options[name] = option.TakesValue ? attached ?? ValueAfter($"--{name}") : Switch(attached, $"--{name}");
            }
            else if (SettingOf(name) is { } setting)
            {
                settings[setting] = attached ?? ValueAfter($"--{name}");
            }
            else
            {
                throw new UsageException($"unknown flag: --{name}", command);
            }
        }

        private void ReadShort(string word)
        {
            for (var i = 1; i < word.Length; i++)
            {
                // A command's own letter wins: backup-push has -v for --verify.
                var option = command?.Options.FirstOrDefault(known => known.Short == word[i])
                    ?? GlobalOptions.FirstOrDefault(known => known.Short == word[i])
                    ?? throw new UsageException($"unknown shorthand flag: '{word[i]}' in {word}", command);
                if (option.TakesValue)
                {
                    var attached = word[(i + 1)..];
                    options[option.Name] = attached.Length > 0 ? attached.TrimStart('=') : ValueAfter($"'{word[i]}' in {word}");
                    return;
                }

                if (i + 1 < word.Length && word[i + 1] == '=')
                {
                    options[option.Name] = Switch(word[(i + 2)..], $"-{word[i]}, --{option.Name}");
                    return;
                }

                options[option.Name] = "true";
            }
        }

        private string ValueAfter(string flag) =>
            next < words.Count ? words[next++] : throw new UsageException($"flag needs an argument: {flag}", command);

        private string Switch(string? text, string flag) => text switch
        {
            null or "1" or "t" or "T" or "true" or "TRUE" or "True" => "true",
            "0" or "f" or "F" or "false" or "FALSE" or "False" => "false",
            _ => throw new UsageException($"invalid argument \"{text}\" for \"{flag}\" flag: it is neither true nor false", command),
        };
    }
}
