using WalRus.Streaming;

namespace WalRus.Configuration;

/// <summary>Which of the native libraries can be loaded, and which of them these settings need.</summary>
internal static class LibraryCheck
{
    private static readonly (string Library, string Use)[] Libraries =
    [
        ("lz4", "lz4 compression"),
        ("zstd", "zstd compression"),
        ("lzma", "lzma compression"),
        ("sodium", "libsodium encryption"),
    ];

    public static IReadOnlyList<CheckResult> Run(WalRusSettings settings)
    {
        var method = settings.Find(SettingCatalog.CompressionMethod).Text;
        var encrypts = settings.IsSet(SettingCatalog.LibsodiumKey) || settings.IsSet(SettingCatalog.LibsodiumKeyPath);
        return [.. Libraries.Select(one => Look(
            one.Library, one.Use, one.Library == "sodium" ? encrypts : string.Equals(one.Library, method, StringComparison.OrdinalIgnoreCase)))];
    }

    private static CheckResult Look(string library, string use, bool isNeeded)
    {
        try
        {
            NativeLibraries.Require(library);
            return new CheckResult(
                CheckArea.Library, library, CheckStatus.Passed, $"Found, for {use}{(isNeeded ? ", which these settings use" : "")}.");
        }
        catch (WalRusException missing)
        {
            return CheckResult.Of(CheckArea.Library, library, missing) with
            {
                Status = isNeeded ? CheckStatus.Failed : CheckStatus.Warning,
                Detail = $"{missing.Message} {(isNeeded ? "These settings need it" : "Objects written with it could not be read")}: {use}.",
            };
        }
    }
}
