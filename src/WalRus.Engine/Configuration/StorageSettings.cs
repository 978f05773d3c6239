using System.Text.Json;
using WalRus.Storage;

namespace WalRus.Configuration;

/// <summary>
/// The settings of wal-g's failover storages, which its storage tools work on by name: WALG_FAILOVER_STORAGES is a map of
/// names, each with the settings of its store; codec, keys and limits are the archive's own.
/// </summary>
public static class StorageSettings
{
    /// <summary>wal-g's name of the archive's own store.</summary>
    public const string Primary = "default";

    /// <summary>wal-g's name for all of them.</summary>
    public const string All = "all";

    /// <summary>"default", then the others in the order of their names.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.SettingInvalid"/>.</exception>
    public static IReadOnlyList<string> Names(WalRusSettings settings) =>
        [Primary, .. Storages(settings).Keys.Order(StringComparer.Ordinal)];

    /// <summary>The settings to open one of them with.</summary>
    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.SettingMissing"/>: there is none of that name; <see cref="ErrorCode.SettingInvalid"/>.
    /// </exception>
    public static WalRusSettings Of(WalRusSettings settings, string name)
    {
        var own = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase) { [SettingCatalog.FailoverStorages.Name] = "{}" };
        if (string.Equals(name, Primary, StringComparison.OrdinalIgnoreCase))
        {
            return settings.With(own);
        }

        if (!Storages(settings).TryGetValue(name, out var storage))
        {
            throw new WalRusException(
                ErrorCode.SettingMissing,
                $"There is no storage '{name}'.",
                $"WALG_FAILOVER_STORAGES of the configuration file names them; there are: {string.Join(", ", Names(settings))}.");
        }

        foreach (var value in settings.Effective.Where(value => value.IsSet && !BelongsToStore(value.Setting)))
        {
            own[value.Setting.Name] = value.Text!;
        }

        own[SettingCatalog.FailoverStorages.Name] = "{}";
        foreach (var entry in storage.EnumerateObject())
        {
            own[entry.Name.ToUpperInvariant()] = entry.Value.ValueKind == JsonValueKind.String ? entry.Value.GetString()! : entry.Value.GetRawText();
        }

        return WalRusSettings.Load(new SettingSources { Given = own, GivenAs = SettingOriginKind.File, Turbo = settings.Turbo });
    }

    /// <summary>These settings on another place: "s3://bucket/prefix" with the same access, or "file:///folder".</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.SettingNotSupported"/>: another kind of place.</exception>
    public static WalRusSettings At(WalRusSettings settings, string place)
    {
        var isBucket = place.StartsWith("s3://", StringComparison.OrdinalIgnoreCase);
        if (!isBucket && !place.StartsWith("file://", StringComparison.OrdinalIgnoreCase))
        {
            throw new WalRusException(
                ErrorCode.SettingNotSupported, $"'{place}' is no place that WalRus knows.", "Name one such as s3://bucket/prefix or file:///folder.");
        }

        var own = settings.Effective
            .Where(value => value.IsSet && value.Setting != SettingCatalog.StoragePrefix
                && (!BelongsToStore(value.Setting) || (isBucket && value.Setting.Group == SettingGroup.S3 && value.Setting != SettingCatalog.S3Prefix)))
            .ToDictionary(value => value.Setting.Name, value => value.Text!, StringComparer.OrdinalIgnoreCase);
        own[isBucket ? SettingCatalog.S3Prefix.Name : SettingCatalog.FilePrefix.Name] = isBucket ? place : place["file://".Length..];
        return WalRusSettings.Load(new SettingSources { Given = own, Turbo = settings.Turbo });
    }

    private static bool BelongsToStore(Setting setting) => setting.Group
        is SettingGroup.Prefix or SettingGroup.S3 or SettingGroup.Oss or SettingGroup.Gcs or SettingGroup.Azure or SettingGroup.Swift
        or SettingGroup.Ssh or SettingGroup.Failover;

    private static Dictionary<string, JsonElement> Storages(WalRusSettings settings)
    {
        var storages = new Dictionary<string, JsonElement>(StringComparer.OrdinalIgnoreCase);
        if (settings.Json(SettingCatalog.FailoverStorages) is not { ValueKind: JsonValueKind.Object } map)
        {
            return storages;
        }

        foreach (var entry in map.EnumerateObject())
        {
            if (entry.Value.ValueKind != JsonValueKind.Object || entry.Name is Primary)
            {
                throw WalRusSettings.Invalid(settings.Find(SettingCatalog.FailoverStorages), "a map from names other than 'default' to settings");
            }

            storages[entry.Name.ToLowerInvariant()] = entry.Value;
        }

        return storages;
    }
}
