using System.Formats.Tar;
using System.Text;
using WalRus.Compression;
using WalRus.Encryption;
using WalRus.Tests.Compression;

namespace WalRus.Tests.Encryption;

/// <summary>Objects written by the real wal-g and the real WAL-RUS, one for each codec and encryption.</summary>
public sealed class GoldenObjectTests
{
    private static readonly string Folder = Path.Combine(Repository.Root, "tests/Unit/Golden/codecs");

    [Theory]
    [InlineData("walg.backup.lz4", "lz4")]
    [InlineData("walg.backup.lzma", "lzma")]
    [InlineData("walg.backup.zst", "zstd")]
    [InlineData("walrus.backup.zst", "zstd")]
    public async Task Reads_a_compressed_object(string name, string method) =>
        AssertIsBackupHistory(await StreamPieces.ReadAsync(Codecs.Create(method).OpenDecompress, Read(name)));

    [Theory]
    [InlineData("walg.backup.zst.libsodium-hex", "zstd", "hex", "4bb7565dc495db165ec1e274412b1b5ee2714afbd2f5237e2faac163dadccb44")]
    [InlineData("walrus.backup.lz4.libsodium-base64", "lz4", "base64", "j3Xr5h0zdP6YKHjmjNtVnaIhWASsZ0Zcz+RJ2LlOXhQ=")]
    [InlineData("walg.backup.lz4.libsodium-file", "lz4", "hex", null)]
    public async Task Reads_an_object_encrypted_with_libsodium(string name, string method, string transform, string? key)
    {
        using var crypter = new LibsodiumCrypter(key is null
            ? LibsodiumKey.FromFile(Path.Combine(Folder, "libsodium.key"), transform)
            : LibsodiumKey.Parse(key, transform));
        AssertIsBackupHistory(await ReadAsync(crypter, method, Read(name)));
    }

    [Fact]
    public async Task Reads_objects_encrypted_with_OpenPGP()
    {
        Assert.SkipUnless(GnuPgKeys.IsInstalled, "gpg is not installed");
        using var crypter = new OpenPgpCrypter(OpenPgpKey.FromFile(Path.Combine(Folder, "pgp-secret.asc"), null));
        AssertIsBackupHistory(await ReadAsync(crypter, "brotli", Read("walg.backup.br.pgp")));

        var tar = new TarReader(new MemoryStream(await ReadAsync(crypter, "brotli", Read("walg.pg_control.tar.br.pgp"))));
        var entry = tar.GetNextEntry();
        Assert.EndsWith("global/pg_control", entry!.Name);
        Assert.Equal(8192, entry.Length);
    }

    private static byte[] Read(string name) => File.ReadAllBytes(Path.Combine(Folder, name));

    private static Task<byte[]> ReadAsync(Crypter crypter, string method, byte[] stored) => StreamPieces.ReadAsync(
        source => Codecs.Create(method).OpenDecompress(crypter.OpenDecrypt(source)), stored, seed: 1);

    private static void AssertIsBackupHistory(byte[] content)
    {
        var text = Encoding.UTF8.GetString(content);
        Assert.StartsWith("START WAL LOCATION: ", text);
        Assert.Matches(@"STOP TIMELINE: 1\n$", text);
    }
}
