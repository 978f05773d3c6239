namespace WalRus.Configuration;

/// <summary>
/// A configuration file's settings by name, in any case. Formats: JSON, YAML, and lines of KEY=VALUE. Whatever does not
/// parse is an error, never a warning: the encryption key may stand in the part that could not be read.
/// </summary>
public sealed class ConfigurationFile
{
    /// <summary>A file larger than this is not a configuration file.</summary>
    public const int MaxBytes = 1 << 20;

    /// <summary>wal-g's order of looking for <c>$HOME/.walg.*</c>.</summary>
    private static readonly string[] HomeExtensions =
        ["json", "toml", "yaml", "yml", "properties", "props", "prop", "hcl", "tfvars", "dotenv", "env", "ini"];

    private ConfigurationFile(string path, IReadOnlyDictionary<string, ConfigurationEntry> entries)
    {
        Path = path;
        Entries = entries;
    }

    public string Path { get; }

    /// <summary>What the file sets; compares names without case. A null in the file is not in here.</summary>
    public IReadOnlyDictionary<string, ConfigurationEntry> Entries { get; }

    /// <summary>
    /// The file that applies: the named one, else WALG_CONFIG_PATH's, else <c>.walg.*</c> in the home folder; null for none.
    /// </summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ConfigurationFileInvalid"/>: a named file is missing, or a file
    /// cannot be read or parsed.</exception>
    public static ConfigurationFile? Find(SettingSources sources)
    {
        if (!string.IsNullOrEmpty(sources.ConfigFile))
        {
            return Named(sources, sources.ConfigFile, "--config");
        }

        const string variable = "WALG_CONFIG_PATH";
        if (NullIfEmpty(sources.Given.GetValueOrDefault(variable)) is { } given)
        {
            return Named(sources, given, variable);
        }

        if (NullIfEmpty(sources.Environment.GetValueOrDefault(variable)) is { } path)
        {
            return Named(sources, path, variable);
        }

        return sources.HomeFolder is null
            ? null
            : HomeExtensions
                .Select(extension => Read(sources, System.IO.Path.Combine(sources.HomeFolder, $".walg.{extension}")))
                .FirstOrDefault(file => file is not null);
    }

    /// <exception cref="WalRusException"><see cref="ErrorCode.ConfigurationFileInvalid"/>.</exception>
    public static ConfigurationFile Parse(string path, ReadOnlySpan<byte> content)
    {
        if (content.StartsWith("\ufeff"u8))
        {
            content = content[3..];
        }

        var entries = System.IO.Path.GetExtension(path).ToUpperInvariant() switch
        {
            ".JSON" => JsonConfiguration.Parse(path, content),
            ".YAML" or ".YML" => YamlConfiguration.Parse(path, content),
            ".TOML" or ".HCL" or ".INI" or ".PROPERTIES" or ".PROPS" or ".PROP" or ".TFVARS" => throw Invalid(
                path, 0, "WalRus does not read this format", "Write the settings as JSON, YAML, or lines of KEY=VALUE (.env)."),
            _ => DotenvConfiguration.Parse(path, content),
        };
        return new ConfigurationFile(path, entries);
    }

    internal static WalRusException Invalid(string path, int line, string why, string? hint = null, Exception? inner = null) => new(
        ErrorCode.ConfigurationFileInvalid,
        line > 0 ? FormattableString.Invariant($"The configuration file '{path}' is not valid at line {line}: {why}.")
            : $"The configuration file '{path}' is not valid: {why}.",
        hint ?? "Mend the file; WalRus never goes on with a part of the settings.",
        inner);

    private static string? NullIfEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;

    private static ConfigurationFile Named(SettingSources sources, string path, string by) => Read(sources, path)
        ?? throw new WalRusException(
            ErrorCode.ConfigurationFileInvalid,
            $"The configuration file '{path}' that {by} names does not exist.",
            "Correct the path, or leave it out to use the environment alone.");

    private static ConfigurationFile? Read(SettingSources sources, string path)
    {
        byte[]? content;
        try
        {
            content = sources.ReadFile(path);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw Invalid(path, 0, $"it cannot be read ({failure.Message.TrimEnd('.')})", null, failure);
        }

        return content is null ? null : Parse(path, content);
    }
}

/// <summary>One value of a configuration file.</summary>
/// <param name="Text">The value; for a nested object or list its JSON.</param>
/// <param name="Line">Where it stands, from 1.</param>
/// <param name="IsNested">True for an object or list.</param>
public readonly record struct ConfigurationEntry(string Text, int Line, bool IsNested)
{
    /// <summary>Never the value: it may be a secret.</summary>
    public override string ToString() => FormattableString.Invariant($"line {Line}");
}
