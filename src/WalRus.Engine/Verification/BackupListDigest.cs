using System.Globalization;
using WalRus.Archiving;
using WalRus.Backup;
using WalRus.WalG;

namespace WalRus.Verification;

/// <summary>What a backup's files_metadata.json says, as far as its tars can be held against it; memory follows the tars.</summary>
internal sealed class BackupListDigest
{
    private readonly Dictionary<string, NameDigest> tars = new(StringComparer.Ordinal);
    private readonly Dictionary<string, uint> checksums = new(StringComparer.Ordinal);
    private NameDigest files;
    private NameDigest increments;

    /// <summary>Every file (and, as wal-g lists them, folder) that a tar must hold; server files that every backup has left out.</summary>
    public NameDigest Files => files;

    /// <summary>Those of which the tars hold an increment.</summary>
    public NameDigest Increments => increments;

    /// <summary>Members by tar, named without the codec's extension, which WAL-RUS leaves out.</summary>
    public IReadOnlyDictionary<string, NameDigest> Tars => tars;

    /// <summary>Of a tar, named in the same way, where the list has it.</summary>
    public uint? ChecksumOf(string tar) => checksums.TryGetValue(tar, out var known) ? known : null;

    /// <exception cref="WalRusException"><see cref="ErrorCode.BackupUnreadable"/>, <see cref="ErrorCode.ObjectNotFound"/>.</exception>
    public static async Task<BackupListDigest> ReadAsync(Archive archive, BackupName name, CancellationToken cancellationToken)
    {
        var digest = new BackupListDigest();
        var key = WalGLayout.FilesMetadata(name);
        var source = await archive.Store.OpenReadAsync(key, null, cancellationToken).ConfigureAwait(false);
        var document = new TextStream(source, key);
        await using (document.ConfigureAwait(false))
        {
            await foreach (var item in FilesMetadataReader.ReadAsync(document, FilesMetadataSections.All, cancellationToken).ConfigureAwait(false))
            {
                digest.Take(item, key.ToString());
            }
        }

        return digest;
    }

    /// <summary>The control file, the labels and the manifest are in tars of their own, listed by some writers and not by others.</summary>
    public static bool IsServerFile(string relative) =>
        relative is TarExtractor.ControlFile or TarExtractor.LabelFile or TarExtractor.MapFile or "backup_manifest";

    /// <summary>A file with its time, to the second: tars hold no more.</summary>
    public static string Dated(string relative, long unixSeconds) => string.Create(CultureInfo.InvariantCulture, $"{relative}\0{unixSeconds}");

    /// <summary>A tar's name without the codec's extension.</summary>
    public static string WithoutCodec(string tar)
    {
        var at = tar.LastIndexOf(".tar", StringComparison.Ordinal);
        return at < 0 ? tar : tar[..(at + ".tar".Length)];
    }

    private void Take(in FilesMetadataItem item, string document)
    {
        switch (item.Section)
        {
            case FilesMetadataSections.Files:
                TakeFile(item.File, RestorePath.Normalize(item.File.Name, document));
                break;
            case FilesMetadataSections.TarChecksums:
                checksums[WithoutCodec(item.TarChecksum.Tar)] = item.TarChecksum.Crc32C;
                break;
            case FilesMetadataSections.TarFileSets when item.TarMember.Tar.Length > 0:
                var tar = WithoutCodec(item.TarMember.Tar);
                var members = tars.GetValueOrDefault(tar);
                if (item.TarMember.Member is { } member && RestorePath.Normalize(member, document) is var name && !IsServerFile(name))
                {
                    members.Add(name);
                }

                tars[tar] = members;
                break;
        }
    }

    private void TakeFile(in FilesMetadataEntry file, string relative)
    {
        if (file.IsSkipped || IsServerFile(relative))
        {
            return;
        }

        files.Add(Dated(relative, file.ModifiedTime.ToDateTimeOffset().AddMilliseconds(500).ToUnixTimeSeconds()));
        if (file.IsIncremented)
        {
            increments.Add(relative);
        }
    }
}
