using System.Text.RegularExpressions;

namespace WalRus.Tests.Tidy;

/// <summary>Holds the layer table of docs/ARCHITECTURE.md by reading the sources.</summary>
public sealed partial class LayerTests
{
    private static readonly Dictionary<string, string[]> MayUse = Closure(new()
    {
        ["Postgres"] = [],
        ["Streaming"] = [],
        ["Compression"] = ["Streaming"],
        ["Encryption"] = ["Streaming"],
        ["Storage"] = ["Streaming"],
        ["Protocol"] = ["Postgres", "Streaming"],
        ["WalG"] = ["Postgres", "Streaming", "Storage"],
        ["Archiving"] = ["WalG", "Storage", "Compression", "Encryption"],
        ["Delta"] = ["Archiving"],
        ["Wal"] = ["Delta", "Archiving", "Protocol"],
        ["Backup"] = ["Delta", "Archiving", "Protocol"],
        ["Retention"] = ["Delta", "Archiving", "Protocol"],
        ["Transfer"] = ["Delta", "Archiving"],
        ["Daemon"] = ["Wal", "Streaming"],
        ["Drill"] = ["Wal", "Backup"],
        ["Reporting"] = ["Drill"],
        ["Verification"] = ["Wal", "Backup"],
        ["Configuration"] = ["Wal", "Backup", "Retention", "Transfer", "Daemon", "Drill", "Reporting", "Verification"],
    });

    [Fact]
    public void Each_folder_of_the_engine_uses_only_the_layers_below_it()
    {
        var broken =
            from source in EngineSources()
            from Match use in LayerUse().Matches(File.ReadAllText(source.File))
            let used = use.Groups[1].Value
            where used != source.Layer && MayUse.ContainsKey(used) && !MayUse[source.Layer].Contains(used)
            select $"{Path.GetFileName(source.File)} ({source.Layer}) uses {used}";
        Assert.Empty(broken.Distinct());
    }

    [Fact]
    public void Each_source_file_of_the_engine_declares_the_namespace_of_its_folder()
    {
        var broken = EngineSources()
            .Where(source => !Regex.IsMatch(
                File.ReadAllText(source.File), $@"^namespace WalRus\.{source.Layer}(\.\w+)*;", RegexOptions.Multiline))
            .Select(source => Path.GetRelativePath(Repository.Root, source.File));
        Assert.Empty(broken);
    }

    [Fact]
    public void The_engine_knows_neither_face()
    {
        var broken = Sources("src/WalRus.Engine")
            .Where(file => Regex.IsMatch(
                File.ReadAllText(file),
                @"System\.Management\.Automation|\bConsole\.|Environment\.Exit|Environment\.FailFast"))
            .Select(Path.GetFileName);
        Assert.Empty(broken);
    }

    [Fact]
    public void Only_configuration_reads_the_process_environment()
    {
        // NativeLibraries is the one exception: a library is resolved before any settings exist.
        var broken = EngineSources()
            .Where(source => source.Layer != "Configuration"
                && Path.GetFileName(source.File) != "NativeLibraries.cs"
                && File.ReadAllText(source.File).Contains("GetEnvironmentVariable", StringComparison.Ordinal))
            .Select(source => Path.GetFileName(source.File));
        Assert.Empty(broken);
    }

    [Fact]
    public void The_faces_never_use_each_other()
    {
        Assert.DoesNotContain(Sources("src/WalRus.Cli"), Mentions("WalRus.Cmdlets"));
        Assert.DoesNotContain(Sources("src/WalRus.PowerShell"), Mentions("WalRus.Cli"));
    }

    [Fact]
    public void No_source_has_an_unfinished_part()
    {
        var broken = Sources("src")
            .Where(file => Regex.IsMatch(
                File.ReadAllText(file), @"NotImplementedException|\bTODO\b|\bFIXME\b|\bHACK\b|Thread\.Sleep"))
            .Select(Path.GetFileName);
        Assert.Empty(broken);
    }

    private static Predicate<string> Mentions(string text) =>
        file => File.ReadAllText(file).Contains(text, StringComparison.Ordinal);

    private static IEnumerable<(string File, string Layer)> EngineSources()
    {
        var root = Path.Combine(Repository.Root, "src/WalRus.Engine");
        return from file in Sources("src/WalRus.Engine")
               let parts = Path.GetRelativePath(root, file).Split(Path.DirectorySeparatorChar)
               where parts.Length > 1
               select (file, parts[0]);
    }

    private static IEnumerable<string> Sources(string folder) =>
        Directory.EnumerateFiles(Path.Combine(Repository.Root, folder), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Split(Path.DirectorySeparatorChar).Any(part => part is "obj" or "bin"));

    private static Dictionary<string, string[]> Closure(Dictionary<string, string[]> direct)
    {
        IEnumerable<string> Below(string layer) => direct[layer].SelectMany(below => Below(below).Prepend(below));
        return direct.Keys.ToDictionary(layer => layer, layer => Below(layer).Distinct().ToArray());
    }

    [GeneratedRegex(@"\bWalRus\.([A-Z]\w+)")]
    private static partial Regex LayerUse();
}
