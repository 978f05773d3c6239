namespace WalRus.Configuration;

/// <summary>How a setting's text is read.</summary>
public enum SettingKind
{
    Text,
    Path,

    /// <summary>Go's ParseBool (1 t true 0 f false) and, as WAL-RUS takes them, yes no on off in any case.</summary>
    Boolean,

    /// <summary>Decimal, within <see cref="Setting.Minimum"/> and <see cref="Setting.Maximum"/>.</summary>
    Integer,

    /// <summary>A number of bytes, optionally with a unit of 1024: 64MB, 1GiB.</summary>
    Bytes,

    /// <summary>Go's duration: 300ms, 1h30m.</summary>
    Duration,

    /// <summary>One of <see cref="Setting.Choices"/>.</summary>
    Choice,

    /// <summary>Decimal fraction.</summary>
    Number,

    /// <summary>A JSON document; in a configuration file also a nested object or list.</summary>
    Json,
}

/// <summary>What WalRus does with a setting that wal-g or WAL-RUS know.</summary>
public enum SettingSupport
{
    /// <summary>It works.</summary>
    Supported,

    /// <summary>Without effect here and nothing is lost by that; said once when it is set.</summary>
    NotUsed,

    /// <summary>Another program's or another store's: never mentioned.</summary>
    Foreign,

    /// <summary>Doing without it would write or protect data otherwise than asked: an error when set.</summary>
    Refused,
}

/// <summary>What a setting belongs to; groups of stores that are not in use are not looked at.</summary>
public enum SettingGroup
{
    General,
    Wal,
    Backup,
    Postgres,
    Encryption,
    Prefix,
    S3,
    Gcs,
    Azure,
    Oss,
    Swift,
    Ssh,
    Failover,
}

/// <summary>One setting: its names, how it is read, and what WalRus does with it.</summary>
/// <param name="Name">The name used in messages and listings.</param>
/// <param name="Kind">How its text is read.</param>
/// <param name="Group">What it belongs to.</param>
/// <param name="Meaning">A few words for people.</param>
public sealed record Setting(string Name, SettingKind Kind, SettingGroup Group, string Meaning)
{
    /// <summary>Every name it is looked up by, the first that has a value wins; <see cref="Name"/> is among them.</summary>
    public IReadOnlyList<string> LookupNames { get; init; } = [Name];

    /// <summary>The built-in default as text, or null for none.</summary>
    public string? Default { get; init; }

    /// <summary>Its value is never shown.</summary>
    public bool IsSecret { get; init; }

    public long Minimum { get; init; } = long.MinValue;

    public long Maximum { get; init; } = long.MaxValue;

    public IReadOnlyList<string> Choices { get; init; } = [];

    public SettingSupport Support { get; init; } = SettingSupport.Supported;

    /// <summary>Values that a refused setting may well have: they ask for nothing.</summary>
    public IReadOnlyList<string> HarmlessValues { get; init; } = [];

    /// <summary>What to do instead of a refused setting; null where there is nothing.</summary>
    public string? Instead { get; init; }

    /// <summary>"--walg-compression-method": wal-g's hidden global flag for a name.</summary>
    public static string FlagOf(string name) => "--" + name.ToLowerInvariant().Replace('_', '-');
}
