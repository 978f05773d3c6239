namespace WalRus.Cli.CommandLine;

/// <summary>One command of the executable.</summary>
internal sealed record Command
{
    public required string Name { get; init; }

    /// <summary>Names of its arguments, as --help shows them: "wal_name destination_filename".</summary>
    public string Arguments { get; init; } = "";

    public required string Meaning { get; init; }

    public int MinimumArguments { get; init; }

    public int MaximumArguments { get; init; }

    public IReadOnlyList<CommandOption> Options { get; init; } = [];

    /// <summary>Commands of its own, named by the next word ("st ls"); its options are theirs too.</summary>
    public IReadOnlyList<Command> Subcommands { get; init; } = [];

    /// <summary>Not in the list of commands.</summary>
    public bool IsHidden { get; init; }

    /// <summary>Takes every argument as it is: the command reads its own flags.</summary>
    public bool ReadsOwnFlags { get; init; }

    /// <returns>The exit code.</returns>
    public required Func<Invocation, CancellationToken, Task<int>> RunAsync { get; init; }
}
