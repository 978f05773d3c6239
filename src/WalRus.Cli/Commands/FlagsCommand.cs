using WalRus.Cli.CommandLine;
using WalRus.Configuration;

namespace WalRus.Cli.Commands;

/// <summary><c>walrus flags</c>: every setting as the global flag it also is.</summary>
internal static class FlagsCommand
{
    public static Command Definition { get; } = new()
    {
        Name = "flags",
        Meaning = "List every setting as a global flag",
        RunAsync = (call, _) =>
        {
            foreach (var setting in SettingCatalog.All.OrderBy(setting => setting.Name, StringComparer.Ordinal))
            {
                call.Output.Write($"      {Setting.FlagOf(setting.Name),-56} {Remark(setting)}\n");
            }

            return Task.FromResult(ExitCodes.Success);
        },
    };

    private static string Remark(Setting setting) => setting.Support switch
    {
        SettingSupport.Supported when setting.Default is not null => $"{setting.Meaning} (default {setting.Default})",
        SettingSupport.Supported => setting.Meaning,
        SettingSupport.Refused => $"{setting.Meaning} (refused)",
        _ => $"{setting.Meaning} (no effect)",
    };
}
