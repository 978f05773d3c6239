using System.Globalization;
using WalRus.Backup;
using WalRus.Cli.Demo;

namespace WalRus.Cli.Commands;

/// <summary>
/// <c>walrus demo [--postgres MAJOR] [--postgres-bin FOLDER] [--folder PARENT] [--keep]</c>: the main job on an embedded
/// default, in a folder of its own that is removed at the end.
/// </summary>
internal static class DemoCommand
{
    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, TextWriter output, CancellationToken cancellationToken)
    {
        int? major = null;
        string? binFolder = null;
        // Not the temporary folder: that is often in memory, and fsync is part of what is shown.
        var parent = OperatingSystem.IsWindows() ? Path.GetTempPath() : "/var/tmp";
        var keep = false;
        for (var i = 0; i < arguments.Count; i++)
        {
            string Value() => ++i < arguments.Count
                ? arguments[i]
                : throw new WalRusException(ErrorCode.InvalidArgument, $"{arguments[i - 1]} needs a value.");

            switch (arguments[i])
            {
                case "--postgres": major = int.Parse(Value(), NumberStyles.None, CultureInfo.InvariantCulture); break;
                case "--postgres-bin": binFolder = Value(); break;
                case "--folder": parent = Value(); break;
                case "--keep": keep = true; break;
                default:
                    throw new WalRusException(
                        ErrorCode.InvalidArgument,
                        $"demo does not know '{arguments[i]}'.",
                        "It takes --postgres MAJOR, --postgres-bin FOLDER, --folder PARENT and --keep.");
            }
        }

        var postgres = binFolder is null
            ? PostgresInstallation.Find(major, Environment.GetEnvironmentVariable("PATH"))
            : new PostgresInstallation(Path.GetFullPath(binFolder));
        var demonstration = new Demonstration(postgres, parent, keep, output);
        await using (demonstration.ConfigureAwait(false))
        {
            return await demonstration.RunAsync(cancellationToken).ConfigureAwait(false) ? 0 : 1;
        }
    }
}
