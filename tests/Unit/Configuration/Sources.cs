using System.Text;
using WalRus.Configuration;

namespace WalRus.Tests.Configuration;

/// <summary>Settings from made-up flags, environment and files; the process is not looked at.</summary>
internal static class Sources
{
    public const string Home = "/home/somebody";

    public static WalRusSettings Settings(
        (string Name, string Value)[]? given = null,
        (string Name, string Value)[]? environment = null,
        (string Path, string Content)[]? files = null,
        string? configFile = null) => WalRusSettings.Load(Of(given, environment, files, configFile));

    public static SettingSources Of(
        (string Name, string Value)[]? given = null,
        (string Name, string Value)[]? environment = null,
        (string Path, string Content)[]? files = null,
        string? configFile = null) => new()
    {
        Given = (given ?? []).ToDictionary(pair => pair.Name, pair => pair.Value),
        Environment = (environment ?? []).ToDictionary(pair => pair.Name, pair => pair.Value),
        HomeFolder = Home,
        ConfigFile = configFile,
        ReadFile = path => (files ?? []).Where(file => SamePath(file.Path, path))
            .Select(file => Encoding.UTF8.GetBytes(file.Content)).FirstOrDefault(),
    };

    public static WalRusSettings FromEnvironment(params (string Name, string Value)[] environment) =>
        Settings(environment: environment);

    public static WalRusSettings FromFile(string path, string content) => Settings(files: [(path, content)], configFile: path);

    private static bool SamePath(string left, string right) => left.Replace('\\', '/') == right.Replace('\\', '/');
}
