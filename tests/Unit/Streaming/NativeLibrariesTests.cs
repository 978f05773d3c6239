using System.Runtime.InteropServices;
using System.Runtime.Loader;
using WalRus.Streaming;
using WalRus.Tests.Cli;

namespace WalRus.Tests.Streaming;

public sealed class NativeLibrariesTests
{
    public static TheoryData<string> Libraries => ["lz4", "zstd", "lzma", "sodium"];

    [Theory]
    [MemberData(nameof(Libraries))]
    public void A_library_that_is_not_there_is_an_error_that_names_its_package_and_variable(string name)
    {
        var library = NativeLibraryDescription.Find(name)! with { FileNames = ["libnosuchthing.so.1"] };
        var outcome = NativeLibraries.Search(library, null);
        Assert.Equal(0, outcome.Handle);
        var failure = outcome.Failure!.ToException();
        Assert.Equal(ErrorCode.NativeLibraryMissing, failure.Code);
        Assert.Contains(name, failure.Message);
        Assert.Contains($"WALRUS_LIB{name.ToUpperInvariant()}_PATH", failure.Hint);
        Assert.Contains(OperatingSystem.IsLinux() ? "apt install" : "", failure.Hint);
    }

    [Fact]
    public void A_named_file_that_does_not_load_is_not_replaced_by_the_systems_library()
    {
        var outcome = NativeLibraries.Search(NativeLibraryDescription.Find("zstd")!, "/nowhere/libzstd.so");
        var failure = outcome.Failure!.ToException();
        Assert.Equal(ErrorCode.NativeLibraryMissing, failure.Code);
        Assert.Contains("/nowhere/libzstd.so", failure.Message);
        Assert.NotNull(outcome.Failure.OverridePath);
    }

    [Fact]
    public void A_library_can_be_hidden()
    {
        var outcome = NativeLibraries.Search(NativeLibraryDescription.Find("zstd")!, "none");
        Assert.Equal(0, outcome.Handle);
        Assert.Null(outcome.Failure!.OverridePath);
    }

    [Theory]
    [MemberData(nameof(Libraries))]
    public void A_library_that_is_installed_is_found(string name)
    {
        Assert.SkipUnless(NativeLibraries.IsAvailable(name), $"{name} is not installed");
        NativeLibraries.Require(name);
        Assert.False(NativeLibraries.IsAbsent(name));
    }

    [Theory]
    [MemberData(nameof(Libraries))]
    public void A_runtime_that_frees_what_it_was_given_does_not_unload_the_library(string name)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && NativeLibraries.IsAvailable(name), $"Linux with {name}");
        var references = Enumerable.Range(0, 5).Select(_ => NativeLibraries.Reference(name)).ToArray();
        Assert.All(references, reference => Assert.NotEqual(0, reference));
        Array.ForEach(references, NativeLibrary.Free);
        Assert.Contains($"lib{name}.so", File.ReadAllText("/proc/self/maps"), StringComparison.Ordinal);
    }

    [Fact]
    public void Libraries_are_found_from_an_assembly_load_context_of_its_own()
    {
        Assert.SkipUnless(NativeLibraries.IsAvailable("lz4"), "lz4 is not installed");
        var context = new AssemblyLoadContext("module", isCollectible: false);
        var engine = context.LoadFromAssemblyPath(typeof(NativeLibraries).Assembly.Location);
        var another = engine.GetType(typeof(NativeLibraries).FullName!)!;
        Assert.NotSame(typeof(NativeLibraries), another);

        var codec = engine.GetType("WalRus.Compression.Lz4Codec")!.GetConstructors()[0].Invoke([null]);
        var sink = new MemoryStream();
        using (var stream = (Stream)codec.GetType().GetMethod("OpenCompress")!.Invoke(codec, [sink])!)
        {
            var noise = new byte[1 << 20];
            new Random(1).NextBytes(noise);
            stream.Write(noise);
        }

        Assert.NotEqual(0, sink.Length);
    }

    [Fact]
    public async Task A_library_below_the_current_folder_is_not_loaded()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && NativeLibraries.IsAvailable("lz4"), "Linux with lz4");
        var another = File.ReadLines("/proc/self/maps").Select(static line => line.Split(' ')[^1])
            .First(static path => Path.GetFileName(path).StartsWith("libm.so", StringComparison.Ordinal));
        using var folder = new TemporaryFolder();
        foreach (var planted in new[] { "liblz4.so.1", "runtimes/linux-x64/native/liblz4.so.1", "runtimes/linux-arm64/native/liblz4.so.1" })
        {
            Directory.CreateDirectory(Path.GetDirectoryName(folder[planted])!);
            File.Copy(another, folder[planted]);
        }

        Directory.CreateDirectory(folder["archive"]);
        await File.WriteAllTextAsync(folder["00000002.history"], "1\t0/3000000\tno recovery target specified\n", TestContext.Current.CancellationToken);
        var settings = new Dictionary<string, string> { ["WALG_FILE_PREFIX"] = folder["archive"], ["WALG_COMPRESSION_METHOD"] = "lz4" };
        var pushed = await BuiltProgram.RunInAsync(folder.FullName, settings, "wal-push", folder["00000002.history"]);
        Assert.True(pushed.ExitCode == 0, pushed.Errors);
        Assert.True(File.Exists(folder["archive", "wal_005", "00000002.history.lz4"]));
    }

    [Fact]
    public void A_name_that_is_no_library_of_the_engine_is_a_mistake() =>
        Assert.Throws<ArgumentException>(() => NativeLibraries.IsAvailable("z"));
}
