using System.Diagnostics;
using System.Text.Json;

namespace WalRus.Tests.Cli;

/// <summary>A golden archive as a folder store, with the settings to read it.</summary>
internal static class GoldenFolder
{
    /// <returns>The environment to read it with.</returns>
    public static Dictionary<string, string> Unpack(GoldenArchive golden, TemporaryFolder target)
    {
        // tar keeps the times of the files to the nanosecond: they are the backups' times.
        using var tar = Process.Start("tar", ["-xpzf", Path.Combine(golden.Folder, "archive.tar.gz"), "-C", target.FullName]);
        tar.WaitForExit();
        Assert.Equal(0, tar.ExitCode);
        var environment = new Dictionary<string, string> { ["WALG_FILE_PREFIX"] = target["archive"] };
        using var facts = JsonDocument.Parse(File.ReadAllText(Path.Combine(golden.Folder, "golden.json")));
        foreach (var setting in facts.RootElement.GetProperty("settings").EnumerateObject())
        {
            var value = setting.Value.GetString()!;
            environment[setting.Name] = setting.Name.EndsWith("_PATH", StringComparison.Ordinal) ? Path.Combine(golden.Folder, value) : value;
        }

        return environment;
    }
}
