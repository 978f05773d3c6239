using WalRus.Cli.CommandLine;

namespace WalRus.Cli.Commands;

/// <summary>Flags that several commands have.</summary>
internal static class CommonOptions
{
    /// <summary>wal-g's flag on every command that works on storages.</summary>
    public static CommandOption TargetStorage { get; } =
        new("target-storage", "wal-g's name of the storage to work on; \"default\" is the only one", null, "string");

    /// <summary>wal-g's flags on every "st" command.</summary>
    public static IReadOnlyList<CommandOption> StorageTools { get; } =
    [
        new("target", "the storage: \"default\", a name in WALG_FAILOVER_STORAGES, or \"all\"", 't', "string"),
        new("glob", "take the path for a shell pattern", 'g'),
    ];
}
