namespace WalRus.Streaming;

/// <summary>One C library of the engine: how its file is called on this system and which package brings it.</summary>
/// <param name="Name">The name that the imports use.</param>
/// <param name="OverrideVariable">The environment variable that names the file to load instead.</param>
/// <param name="FileNames">In the order they are tried.</param>
/// <param name="InstallHint">What to install, a sentence without its full stop.</param>
internal sealed record NativeLibraryDescription(
    string Name, string OverrideVariable, IReadOnlyList<string> FileNames, string InstallHint)
{
    private static readonly NativeLibraryDescription[] All =
    [
        Describe(
            "lz4",
            linux: ["liblz4.so.1"],
            mac: ["liblz4.1.dylib", "liblz4.dylib"],
            windows: ["liblz4.dll", "lz4.dll"],
            packages: ("liblz4-1", "lz4-libs", "lz4")),
        Describe(
            "zstd",
            linux: ["libzstd.so.1"],
            mac: ["libzstd.1.dylib", "libzstd.dylib"],
            windows: ["libzstd.dll", "zstd.dll"],
            packages: ("libzstd1", "libzstd", "zstd")),
        Describe(
            "lzma",
            linux: ["liblzma.so.5"],
            mac: ["liblzma.5.dylib", "liblzma.dylib"],
            windows: ["liblzma.dll", "liblzma-5.dll"],
            packages: ("liblzma5", "xz-libs", "xz")),
        Describe(
            "sodium",
            linux: ["libsodium.so.23", "libsodium.so.26"],
            mac: ["libsodium.26.dylib", "libsodium.23.dylib", "libsodium.dylib"],
            windows: ["libsodium.dll", "libsodium-26.dll", "libsodium-23.dll"],
            packages: ("libsodium23", "libsodium", "libsodium")),
    ];

    /// <summary>The description of a library by its import name; null for a name that is none of the engine's.</summary>
    public static NativeLibraryDescription? Find(string name) => Array.Find(All, library => library.Name == name);

    private static NativeLibraryDescription Describe(
        string name, string[] linux, string[] mac, string[] windows, (string Debian, string RedHat, string Brew) packages)
    {
        var variable = $"WALRUS_LIB{name.ToUpperInvariant()}_PATH";
        if (OperatingSystem.IsWindows())
        {
            return new(name, variable, windows, $"Put {windows[0]} beside walrus.exe or into the module's folder");
        }

        return OperatingSystem.IsMacOS()
            ? new(name, variable, mac, $"Install it with 'brew install {packages.Brew}'")
            : new(name, variable, linux,
                $"Install it with 'apt install {packages.Debian}' or 'dnf install {packages.RedHat}'");
    }
}
