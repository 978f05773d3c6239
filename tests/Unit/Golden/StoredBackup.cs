using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using WalRus.Archiving;
using WalRus.Storage;
using WalRus.WalG;

namespace WalRus.Tests.Golden;

/// <summary>One backup's objects as they are stored: the documents' text, and every member of every tar.</summary>
/// <param name="Sentinel">The whole document.</param>
/// <param name="Metadata">metadata.json.</param>
/// <param name="Files">files_metadata.json.</param>
/// <param name="Members">Tar by tar.</param>
/// <param name="ObjectBytes">What the tar objects take in the store, all together.</param>
internal sealed record StoredBackup(
    JsonElement Sentinel, JsonElement Metadata, JsonElement Files, IReadOnlyList<StoredMember> Members, long ObjectBytes)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static async Task<StoredBackup> ReadAsync(Archive archive, BackupName name)
    {
        var members = new List<StoredMember>();
        var bytes = 0L;
        var request = new ListRequest { Folder = WalGLayout.TarPartitions(name), Recursive = true };
        await foreach (var tar in archive.Store.ListAsync(request, Token))
        {
            bytes += tar.SizeBytes;
            await using var content = await archive.OpenReadAsync(tar.Key, Token);
            members.AddRange(await ReadTarAsync(content, tar.Key.Name));
        }

        return new StoredBackup(
            await JsonAsync(archive, WalGLayout.Sentinel(name)),
            await JsonAsync(archive, WalGLayout.Metadata(name)),
            await JsonAsync(archive, WalGLayout.FilesMetadata(name)),
            members,
            bytes);
    }

    private static async Task<JsonElement> JsonAsync(Archive archive, ObjectKey key) =>
        JsonDocument.Parse((await archive.ReadDocumentAsync(key, 1 << 24, Token))!).RootElement;

    /// <summary>Header blocks as they are, which no reader of tars gives.</summary>
    private static async Task<List<StoredMember>> ReadTarAsync(Stream tar, string tarName)
    {
        var members = new List<StoredMember>();
        var block = new byte[512];
        while (await tar.ReadAtLeastAsync(block, block.Length, throwOnEndOfStream: false, Token) == block.Length && block[0] != 0)
        {
            var size = Convert.ToInt32(Encoding.ASCII.GetString(block, 124, 11), 8);
            var content = new byte[(size + 511) / 512 * 512];
            await tar.ReadExactlyAsync(content, Token);
            members.Add(new StoredMember(tarName, block.ToArray(), size, Convert.ToHexString(SHA256.HashData(content))));
        }

        // wal-g's remote parts end without, and inside padding is an end too.
        Assert.True(block[0] == 0 || members.Count > 0, $"{tarName} is no tar.");
        return members;
    }
}

/// <summary>A tar member: its header block, and a hash of its content with the padding.</summary>
internal sealed record StoredMember(string Tar, byte[] Header, long SizeBytes, string ContentHash)
{
    public string Name => Text(0, 100);

    public bool IsDirectory => Header[156] == '5';

    /// <summary>Everything of the header but the name, the owner, who is another on each machine, and the checksum.</summary>
    public string Describe(bool withTime, bool withContent) => string.Create(
        CultureInfo.InvariantCulture,
        $"{Tar} mode {Text(100, 8)} type {(char)Header[156]} link {Text(157, 100)} magic {Text(257, 8)} device {Text(329, 16)} prefix {Text(345, 155)} "
        + $"{(withTime ? Text(136, 12) : "")} {(withContent ? $"{Text(124, 12)} {ContentHash}" : "")}");

    private string Text(int start, int length) => Encoding.UTF8.GetString(Header, start, length).TrimEnd('\0').Replace('\0', '.');
}
