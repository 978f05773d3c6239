using System.Diagnostics;
using WalRus.Compression;

namespace WalRus.Tests.Compression;

/// <summary>The codecs against the formats' own command-line tools, both ways.</summary>
public sealed class CommandLineToolTests
{
    private const int Seed = 99;

    public static TheoryData<string, string, string> Writers => new()
    {
        { "lz4", "lz4", "-c" },
        { "lz4", "lz4", "-c -9 -B4 -BD --no-frame-crc" },
        { "lz4", "lz4", "-c -B7 -BI -BX" },
        { "zstd", "zstd", "-c" },
        { "zstd", "zstd", "-c -19 --no-check" },
        { "zstd", "zstd", "-c --long=27" },
        { "lzma", "xz", "-c --format=lzma" },
        { "lzma", "xz", "-c --format=lzma -9e" },
        { "brotli", "brotli", "-c -q 9 -" },
        { "gzip", "gzip", "-c -9" },
    };

    public static TheoryData<string, string, string> Readers => new()
    {
        { "lz4", "lz4", "-dc" },
        { "zstd", "zstd", "-dc" },
        { "lzma", "xz", "-dc --format=lzma" },
        { "brotli", "brotli", "-dc -" },
        { "gzip", "gzip", "-dc" },
    };

    [Theory]
    [MemberData(nameof(Writers))]
    public async Task Reads_what_the_tool_writes(string method, string tool, string arguments)
    {
        foreach (var size in new[] { 0, 1, 300_000 })
        {
            var data = StreamPieces.Data(size, Seed);
            var stored = await RunAsync(tool, arguments, data);
            Assert.Equal(data, await StreamPieces.ReadAsync(Codecs.Create(method).OpenDecompress, stored, Seed));
        }
    }

    [Theory]
    [MemberData(nameof(Readers))]
    public async Task The_tool_reads_what_the_codec_writes(string method, string tool, string arguments)
    {
        foreach (var size in new[] { 0, 1, 300_000 })
        {
            var data = StreamPieces.Data(size, Seed);
            foreach (var level in new int?[] { null, 9 })
            {
                var stored = await StreamPieces.WriteAsync(Codecs.Create(method, level).OpenCompress, data, Seed);
                Assert.Equal(data, await RunAsync(tool, arguments, stored));
            }
        }
    }

    private static async Task<byte[]> RunAsync(string tool, string arguments, byte[] input)
    {
        using var process = Start(tool, arguments);
        Assert.SkipWhen(process is null, $"{tool} is not installed");
        var writing = Task.Run(() =>
        {
            using var stdin = process.StandardInput.BaseStream;
            stdin.Write(input);
        });
        var errors = process.StandardError.ReadToEndAsync();
        var output = new MemoryStream();
        await process.StandardOutput.BaseStream.CopyToAsync(output);
        await process.WaitForExitAsync();
        await writing;
        Assert.True(process.ExitCode == 0, await errors);
        return output.ToArray();
    }

    private static Process? Start(string tool, string arguments)
    {
        try
        {
            return Process.Start(new ProcessStartInfo(tool, arguments)
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            });
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }
}
