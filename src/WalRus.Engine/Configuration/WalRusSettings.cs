using System.Globalization;
using System.Text.Json;

namespace WalRus.Configuration;

/// <summary>
/// The settings in force, each with where it came from. Order: given by the caller (flag, parameter), environment,
/// configuration file, built-in default; of a setting's names the first that has a value in any of them wins. An empty
/// value counts as none. Immutable; never shows a secret.
/// </summary>
public sealed class WalRusSettings
{
    private readonly SettingSources sources;
    private readonly Dictionary<string, string> given;
    private readonly ConfigurationFile? file;

    private WalRusSettings(SettingSources sources, ConfigurationFile? file)
    {
        this.sources = sources;
        given = new Dictionary<string, string>(sources.Given, StringComparer.OrdinalIgnoreCase);
        this.file = file;
    }

    /// <summary>The configuration file that was read, or null.</summary>
    public string? ConfigurationFilePath => file?.Path;

    /// <summary><c>--turbo</c>: rate limits do not apply.</summary>
    public bool Turbo => sources.Turbo;

    /// <summary>The account's home folder, or null.</summary>
    public string? HomeFolder => sources.HomeFolder;

    /// <summary>Names in the configuration file that no tool knows; wal-g warns about them, and so do we.</summary>
    public IEnumerable<string> UnknownNames => file is null ? [] : file.Entries.Keys.Where(name => SettingCatalog.Find(name) is null);

    /// <summary>Every setting that has a value or a default, in the catalog's order.</summary>
    public IEnumerable<SettingValue> Effective => SettingCatalog.All.Select(Find).Where(value => value.Text is not null);

    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.ConfigurationFileInvalid"/>, or <see cref="ErrorCode.SettingInvalid"/> when the caller gives a name
    /// that no tool knows.
    /// </exception>
    public static WalRusSettings Load(SettingSources sources)
    {
        foreach (var name in sources.Given.Keys.Where(name => SettingCatalog.Find(name) is null))
        {
            throw new WalRusException(
                ErrorCode.SettingInvalid, $"There is no setting '{name}'.", "'walrus flags' lists them all.");
        }

        return new WalRusSettings(sources, ConfigurationFile.Find(sources));
    }

    /// <summary>The setting's text in force and where it came from, before it is checked.</summary>
    public SettingValue Find(Setting setting)
    {
        foreach (var name in setting.LookupNames)
        {
            if (Clean(given.GetValueOrDefault(name)) is { } parameter)
            {
                return new SettingValue(setting, parameter, new SettingOrigin(sources.GivenAs, name));
            }

            if (Clean(sources.Environment.GetValueOrDefault(name)) is { } variable)
            {
                return new SettingValue(setting, variable, new SettingOrigin(SettingOriginKind.Environment, name));
            }

            if (file is not null && file.Entries.TryGetValue(name, out var entry) && Clean(entry.Text) is { } text)
            {
                var value = new SettingValue(setting, text, new SettingOrigin(SettingOriginKind.File, name, file.Path, entry.Line));
                return entry.IsNested && setting.Kind != SettingKind.Json && setting.Support != SettingSupport.Refused
                    ? throw Invalid(value, "one text, not an object or a list") : value;
            }
        }

        return new SettingValue(setting, setting.Default, SettingOrigin.Default);
    }

    /// <summary>True when somebody gave a value.</summary>
    public bool IsSet(Setting setting) => Find(setting).IsSet;

    /// <summary>A text, path or choice; null when there is neither a value nor a default.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.SettingInvalid"/> for a text that is none of the choices.</exception>
    public string? Text(Setting setting)
    {
        var value = Find(setting);
        return value.Text is not null && setting.Kind == SettingKind.Choice ? ChoiceOf(value) : value.Text;
    }

    /// <exception cref="WalRusException"><see cref="ErrorCode.SettingMissing"/> or <see cref="ErrorCode.SettingInvalid"/>.</exception>
    public string RequiredText(Setting setting) => Text(setting) ?? throw new WalRusException(
        ErrorCode.SettingMissing, $"{setting.Name} is not set: {setting.Meaning}.");

    /// <summary>False when there is neither a value nor a default.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.SettingInvalid"/>.</exception>
    public bool Boolean(Setting setting) => BooleanOrNull(setting) ?? false;

    /// <inheritdoc cref="Boolean"/>
    public bool? BooleanOrNull(Setting setting)
    {
        var value = Find(setting);
        return value.Text is null ? null
            : SettingText.TryBoolean(value.Text, out var result) ? result : throw Invalid(value, "true or false");
    }

    /// <exception cref="WalRusException"><see cref="ErrorCode.SettingInvalid"/>, also when out of its bounds.</exception>
    public int Integer(Setting setting) => (int)(LongOrNull(setting) ?? throw Missing(setting));

    /// <inheritdoc cref="Integer"/>
    public int? IntegerOrNull(Setting setting) => (int?)LongOrNull(setting);

    /// <summary>A number of bytes.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.SettingInvalid"/>, also when out of its bounds.</exception>
    public long Bytes(Setting setting) => LongOrNull(setting) ?? throw Missing(setting);

    /// <inheritdoc cref="Bytes"/>
    public long? BytesOrNull(Setting setting) => LongOrNull(setting);

    /// <exception cref="WalRusException"><see cref="ErrorCode.SettingInvalid"/>.</exception>
    public TimeSpan Duration(Setting setting) => DurationOrNull(setting) ?? throw Missing(setting);

    /// <inheritdoc cref="Duration"/>
    public TimeSpan? DurationOrNull(Setting setting)
    {
        var value = Find(setting);
        return value.Text is null ? null
            : SettingText.TryDuration(value.Text, out var result) && result >= TimeSpan.Zero ? result
            : throw Invalid(value, "a duration such as 30s, 5m or 1h30m");
    }

    /// <exception cref="WalRusException"><see cref="ErrorCode.SettingInvalid"/>.</exception>
    public JsonElement? Json(Setting setting)
    {
        var value = Find(setting);
        return value.Text is null ? null
            : SettingText.TryJson(value.Text, out var result) ? result : throw Invalid(value, "a JSON value");
    }

    /// <summary>What is wrong with a setting's value, or with asking for the setting at all; null when nothing is.</summary>
    public WalRusException? ProblemOf(Setting setting)
    {
        try
        {
            RequireReadable(setting);
            RequireSupported(Find(setting));
            return null;
        }
        catch (WalRusException problem)
        {
            return problem;
        }
    }

    /// <summary>
    /// Every setting with what is wrong with it, for people. Settings of stores that are not in use are not looked at.
    /// </summary>
    public IReadOnlyList<SettingReview> Review()
    {
        SettingGroup? store = null;
        try
        {
            store = StoreSelection.Choose(this).Group;
        }
        catch (WalRusException)
        {
            // StoreProblem tells; the settings of every store are looked at then.
        }

        return [.. SettingCatalog.All.Select(setting => new SettingReview(
            FindOrNothing(setting),
            store is null || setting.Group <= SettingGroup.Prefix || setting.Group == store || setting.Group == SettingGroup.Failover
                ? ProblemOf(setting) : null))];
    }

    /// <summary>What is wrong with the choice of a store; null when nothing is.</summary>
    public WalRusException? StoreProblem()
    {
        try
        {
            StoreSelection.Choose(this);
            return null;
        }
        catch (WalRusException problem)
        {
            return problem;
        }
    }

    /// <summary>
    /// Refuses what WalRus would have to ignore at the cost of safety, and names settings that are set without effect.
    /// Looks only at groups that are in use.
    /// </summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.SettingNotSupported"/>.</exception>
    public IReadOnlyList<SettingValue> RequireSupported(Func<SettingGroup, bool> isInUse)
    {
        var notUsed = new List<SettingValue>();
        foreach (var setting in SettingCatalog.All)
        {
            if (setting.Support is SettingSupport.Refused or SettingSupport.NotUsed && isInUse(setting.Group)
                && Find(setting) is { IsSet: true } value)
            {
                RequireSupported(value);
                if (setting.Support == SettingSupport.NotUsed && !IsDefault(value))
                {
                    notUsed.Add(value);
                }
            }
        }

        return notUsed;
    }

    /// <summary>These settings with another default for one of them.</summary>
    internal WalRusSettings WithFallback(Setting setting, string text) => IsSet(setting) ? this : new WalRusSettings(
        sources with { Given = new Dictionary<string, string>(sources.Given, StringComparer.OrdinalIgnoreCase) { [setting.Name] = text } }, file);

    /// <summary>These settings with some more as if the caller had given them; those that the caller did give stay.</summary>
    internal WalRusSettings WithGiven(IReadOnlyDictionary<string, string> more)
    {
        var all = new Dictionary<string, string>(more, StringComparer.OrdinalIgnoreCase);
        foreach (var (name, text) in sources.Given)
        {
            all[name] = text;
        }

        return new WalRusSettings(sources with { Given = all }, file);
    }

    /// <summary>These settings with values of the caller's above them.</summary>
    internal WalRusSettings With(IReadOnlyDictionary<string, string> values)
    {
        var above = new Dictionary<string, string>(sources.Given, StringComparer.OrdinalIgnoreCase);
        foreach (var (name, text) in values)
        {
            above[name] = text;
        }

        return new WalRusSettings(sources with { Given = above }, file);
    }

    private SettingValue FindOrNothing(Setting setting)
    {
        try
        {
            return Find(setting);
        }
        catch (WalRusException)
        {
            // ProblemOf tells what is wrong with it.
            return new SettingValue(setting, null, SettingOrigin.Default);
        }
    }

    internal static WalRusException Invalid(SettingValue value, string expected) => new(
        ErrorCode.SettingInvalid,
        $"{value.Origin.Name ?? value.Setting.Name} is '{value.Shown}' ({value.Origin}), but must be {expected}.",
        $"It means: {value.Setting.Meaning}.");

    private static WalRusException Missing(Setting setting) =>
        new(ErrorCode.SettingMissing, $"{setting.Name} is not set: {setting.Meaning}.");

    private static void RequireSupported(SettingValue value)
    {
        var setting = value.Setting;
        if (setting.Support == SettingSupport.Refused && value.IsSet
            && !setting.HarmlessValues.Contains(value.Text, StringComparer.OrdinalIgnoreCase))
        {
            throw new WalRusException(
                ErrorCode.SettingNotSupported,
                $"{value.Origin.Name} is set ({value.Origin}), and WalRus cannot do what it asks: {setting.Meaning}.",
                setting.Instead);
        }
    }

    private static bool IsDefault(SettingValue value) =>
        string.Equals(value.Text, value.Setting.Default, StringComparison.OrdinalIgnoreCase)
        || (value.Setting.Kind == SettingKind.Boolean && SettingText.TryBoolean(value.Text!, out var on) && !on);

    /// <summary>wal-g drops line ends around values, which files written by other tools have; empty is not set.</summary>
    private static string? Clean(string? text)
    {
        var clean = text?.TrimEnd('\r', '\n');
        return string.IsNullOrEmpty(clean) ? null : clean;
    }

    private void RequireReadable(Setting setting)
    {
        switch (setting.Kind)
        {
            case SettingKind.Boolean: BooleanOrNull(setting); break;
            case SettingKind.Integer or SettingKind.Bytes: LongOrNull(setting); break;
            case SettingKind.Duration: DurationOrNull(setting); break;
            case SettingKind.Json: Json(setting); break;
            case SettingKind.Number when Find(setting) is { Text: { } text } value && !SettingText.TryNumber(text, out _):
                throw Invalid(value, "a number");
            default: Text(setting); break;
        }
    }

    private static string ChoiceOf(SettingValue value) =>
        value.Setting.Choices.FirstOrDefault(choice => choice.Equals(value.Text, StringComparison.OrdinalIgnoreCase))
        ?? throw Invalid(value, $"one of {string.Join(", ", value.Setting.Choices)}");

    private long? LongOrNull(Setting setting)
    {
        var value = Find(setting);
        if (value.Text is null)
        {
            return null;
        }

        var isBytes = setting.Kind == SettingKind.Bytes;
        var isNumber = isBytes ? SettingText.TryBytes(value.Text, out var number) : SettingText.TryInteger(value.Text, out number);
        return isNumber && number >= setting.Minimum && number <= setting.Maximum
            ? number
            : throw Invalid(value, (isBytes ? "a number of bytes" : "a whole number") + Bounds(setting));
    }

    private static string Bounds(Setting setting) => (setting.Minimum, setting.Maximum) switch
    {
        (long.MinValue, long.MaxValue) => "",
        (var least, long.MaxValue or int.MaxValue) => string.Create(CultureInfo.InvariantCulture, $" of at least {least}"),
        var (least, most) => string.Create(CultureInfo.InvariantCulture, $" from {least} to {most}"),
    };
}
