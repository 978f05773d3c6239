using System.Collections.Frozen;

namespace WalRus.Configuration;

/// <summary>
/// Every setting of wal-g, WAL-RUS and WalRus itself, one field each. Source of the names and defaults: wal-g's settings,
/// WAL-RUS' where wal-g has none.
/// </summary>
public static partial class SettingCatalog
{
    // Without an initializer: the fields of the other parts add to it, in whatever order the parts are compiled.
    private static List<Setting>? registered;
    private static IReadOnlyList<Setting>? ordered;
    private static FrozenDictionary<string, Setting>? byName;

    /// <summary>All settings, by group and then as declared.</summary>
    public static IReadOnlyList<Setting> All => ordered ??= [.. registered!.OrderBy(setting => setting.Group)];

    /// <summary>The setting that any of its names means, without case; null for an unknown name.</summary>
    public static Setting? Find(string name)
    {
        byName ??= (
            from setting in All
            from known in setting.LookupNames
            group setting by known into sharing
            select KeyValuePair.Create(sharing.Key, sharing.First())).ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);
        return byName.GetValueOrDefault(name);
    }

    private static Setting Register(Setting setting)
    {
        (registered ??= []).Add(setting);
        return setting;
    }

    private static Setting Text(SettingGroup group, string name, string meaning, string? standard = null) =>
        new(name, SettingKind.Text, group, meaning) { Default = standard };

    private static Setting FilePath(SettingGroup group, string name, string meaning) =>
        new(name, SettingKind.Path, group, meaning);

    private static Setting Boolean(SettingGroup group, string name, string meaning, bool? standard = false) =>
        new(name, SettingKind.Boolean, group, meaning) { Default = standard is { } known ? known ? "true" : "false" : null };

    private static Setting Integer(
        SettingGroup group, string name, string meaning, string? standard, long minimum, long maximum = int.MaxValue) =>
        new(name, SettingKind.Integer, group, meaning) { Default = standard, Minimum = minimum, Maximum = maximum };

    private static Setting Bytes(
        SettingGroup group, string name, string meaning, string? standard, long minimum = 0, long maximum = long.MaxValue) =>
        new(name, SettingKind.Bytes, group, meaning) { Default = standard, Minimum = minimum, Maximum = maximum };

    private static Setting Duration(SettingGroup group, string name, string meaning, string? standard) =>
        new(name, SettingKind.Duration, group, meaning) { Default = standard };

    private static Setting Choice(SettingGroup group, string name, string meaning, string? standard, params string[] choices) =>
        new(name, SettingKind.Choice, group, meaning) { Default = standard, Choices = choices };

    private static Setting Json(SettingGroup group, string name, string meaning) => new(name, SettingKind.Json, group, meaning);

    private static Setting Secret(this Setting setting) => setting with { IsSecret = true };

    private static Setting Supported(this Setting setting) => Register(setting);

    private static Setting NotUsed(this Setting setting) => Register(setting with { Support = SettingSupport.NotUsed });

    private static Setting Foreign(this Setting setting) => Register(setting with { Support = SettingSupport.Foreign });

    private static Setting Refused(this Setting setting, string instead, params string[] harmless) => Register(
        setting with { Support = SettingSupport.Refused, Instead = instead, HarmlessValues = harmless });

    /// <summary>wal-g's rule for storage keys: the bare name, then WALG_, then WALE_; then names of other tools.</summary>
    private static Setting StorageKey(this Setting setting, params string[] others) => setting with
    {
        LookupNames = [.. Forms(setting.Name), .. others],
    };

    private static Setting AlsoKnownAs(this Setting setting, params string[] others) => setting with
    {
        LookupNames = [.. setting.LookupNames, .. others],
    };

    private static string[] Forms(string bare) => [bare, "WALG_" + bare, "WALE_" + bare];
}
