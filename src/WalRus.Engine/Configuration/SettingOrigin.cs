using System.Globalization;

namespace WalRus.Configuration;

/// <summary>Where a value came from, strongest first.</summary>
public enum SettingOriginKind
{
    /// <summary>A command-line flag.</summary>
    Flag,

    /// <summary>A parameter of the caller (PowerShell's -Setting).</summary>
    Parameter,
    Environment,
    File,
    Default,
}

/// <summary>Where one value came from.</summary>
/// <param name="Kind">Which source.</param>
/// <param name="Name">The name it was found under; null for a default.</param>
/// <param name="File">The configuration file, when it was there.</param>
/// <param name="Line">Line in that file, from 1; 0 when not known.</param>
public readonly record struct SettingOrigin(SettingOriginKind Kind, string? Name = null, string? File = null, int Line = 0)
{
    public static SettingOrigin Default { get; } = new(SettingOriginKind.Default);

    /// <summary>For people: "environment WALG_S3_PREFIX", "/etc/walg.yaml:3", "default".</summary>
    public override string ToString() => Kind switch
    {
        SettingOriginKind.Flag => $"flag {Setting.FlagOf(Name!)}",
        SettingOriginKind.Parameter => $"parameter {Name}",
        SettingOriginKind.Environment => $"environment {Name}",
        SettingOriginKind.File => Line > 0 ? string.Create(CultureInfo.InvariantCulture, $"{File}:{Line}") : File!,
        _ => "default",
    };
}

/// <summary>A setting with the text in force and where it came from.</summary>
/// <param name="Setting">Which setting.</param>
/// <param name="Text">The text in force; null when there is neither a value nor a default.</param>
/// <param name="Origin">Where the text came from.</param>
public readonly record struct SettingValue(Setting Setting, string? Text, SettingOrigin Origin)
{
    /// <summary>What a secret is shown as, wal-g's mask.</summary>
    public const string Hidden = "--HIDDEN--";

    /// <summary>True when somebody gave a value.</summary>
    public bool IsSet => Origin.Kind != SettingOriginKind.Default;

    /// <summary>The text as it may be shown: secrets masked, also a password within an address; null when there is none.</summary>
    public string? Shown => Text is null ? null : Setting.IsSecret ? Hidden : WithoutPassword(Text);

    /// <summary>Never the value: a record's own text would print secrets.</summary>
    public override string ToString() => $"{Setting.Name}={Shown} ({Origin})";

    private static string WithoutPassword(string text)
    {
        var scheme = text.IndexOf("://", StringComparison.Ordinal);
        var at = text.LastIndexOf('@');
        return scheme >= 0 && at > scheme ? $"{text[..(scheme + 3)]}{Hidden}{text[at..]}" : text;
    }
}
