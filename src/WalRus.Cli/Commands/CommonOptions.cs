using WalRus.Cli.CommandLine;

namespace WalRus.Cli.Commands;

/// <summary>Flags that several commands have.</summary>
internal static class CommonOptions
{
    /// <summary>wal-g's flag on every command that works on storages.</summary>
    public static CommandOption TargetStorage { get; } =
        new("target-storage", "wal-g's name of the storage to work on; \"default\" is the only one", null, "string");
}
