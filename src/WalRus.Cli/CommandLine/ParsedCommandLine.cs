namespace WalRus.Cli.CommandLine;

/// <summary>A command line taken apart.</summary>
internal sealed record ParsedCommandLine
{
    /// <summary>Null when none was named.</summary>
    public Command? Command { get; init; }

    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>Flags of the command and global ones by long name; a switch that stands alone is "true".</summary>
    public IReadOnlyDictionary<string, string> Options { get; init; } = new Dictionary<string, string>();

    /// <summary>Settings given as flags, by setting name.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    public bool Has(string option) => Options.TryGetValue(option, out var text) && text == "true";

    public string? Value(string option) => Options.GetValueOrDefault(option);
}
