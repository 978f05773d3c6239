namespace WalRus.Cli.CommandLine;

/// <summary>One flag of a command.</summary>
/// <param name="Name">Long name without dashes.</param>
/// <param name="Meaning">What it does, for --help.</param>
/// <param name="Short">One-letter form, or null.</param>
/// <param name="ValueName">What its value is called in --help; null for a switch (true when it stands alone).</param>
internal sealed record CommandOption(string Name, string Meaning, char? Short = null, string? ValueName = null)
{
    public bool TakesValue => ValueName is not null;
}
