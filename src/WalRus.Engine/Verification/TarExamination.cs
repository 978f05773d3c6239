using System.Buffers.Binary;
using System.Globalization;
using WalRus.Archiving;
using WalRus.Backup;
using WalRus.Delta;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.Streaming;
using WalRus.Streaming.Tar;

namespace WalRus.Verification;

/// <summary>What one tar of a backup turned out to hold.</summary>
internal sealed class TarDigest
{
    public NameDigest Members;

    /// <summary>The same with their times.</summary>
    public NameDigest DatedMembers;

    /// <summary>Of those the files.</summary>
    public NameDigest DatedFiles;
    public NameDigest Increments;

    /// <summary>Bytes of files.</summary>
    public long ContentBytes { get; set; }

    /// <summary>Files whose pages or checksums are wrong, the first of them; told only of a tar that is whole.</summary>
    public List<ArchiveFinding> FileFindings { get; } = [];

    /// <summary>The control file and the labels, where they were met.</summary>
    public Dictionary<string, byte[]> ServerFiles { get; } = new(StringComparer.Ordinal);
}

/// <summary>
/// Reads one tar of a backup to its end: the object's own checks, headers, every member's length; where the cluster has
/// page checksums, those of relations' main forks, also inside increments; where there are checksums of the whole tar or, in
/// a manifest, of its files, those.
/// </summary>
/// <param name="archive">The archive.</param>
/// <param name="control">The backup's control file; null while it is not known, or where it is damaged.</param>
/// <param name="start">The backup's start: a page with a newer LSN is written again by replay.</param>
/// <param name="isDelta">Members may be increments.</param>
/// <param name="manifest">The checksums of the backup's files; null where it has none.</param>
internal sealed class TarExamination(Archive archive, ControlFile? control, Lsn start, bool isDelta, ManifestChecksums? manifest)
{
    private const int MaxFileFindings = 100;
    private const int MaxServerFileBytes = 1 << 20;
    private const int PageBytes = 8192;

    private readonly byte[] carry = new byte[PageBytes];

    /// <param name="stored">The tar.</param>
    /// <param name="buffer">At least <see cref="TarReader.MinBufferBytes"/>, a multiple of a page.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="WalRusException">What is wrong with the tar itself.</exception>
    public async Task<TarDigest> RunAsync(
        StoredTar stored, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var digest = new TarDigest();
        var key = stored.Key;
        var source = new ChecksummedTar(await archive.OpenReadAsync(key, cancellationToken).ConfigureAwait(false), stored);
        await using var close = source.ConfigureAwait(false);
        var tar = new TarReader(source, buffer, key.ToString());
        while (await tar.ReadEntryAsync(cancellationToken).ConfigureAwait(false))
        {
            var relative = RestorePath.Normalize(tar.Entry.Name, key.ToString());
            if (!BackupListDigest.IsServerFile(relative))
            {
                digest.Members.Add(relative);
                digest.DatedMembers.Add(BackupListDigest.Dated(relative, tar.Entry.ModifiedUnixSeconds));
            }

            if (tar.Entry.Kind == TarEntryKind.File)
            {
                await ReadFileAsync(tar, relative, key, digest, cancellationToken).ConfigureAwait(false);
            }
        }

        await source.RequireAsync(buffer, cancellationToken).ConfigureAwait(false);
        return digest;
    }

    private async Task ReadFileAsync(
        TarReader tar,
        string relative,
        ObjectKey key,
        TarDigest digest,
        CancellationToken cancellationToken)
    {
        var size = tar.Entry.SizeBytes;
        digest.ContentBytes += size;
        if (BackupListDigest.IsServerFile(relative) && size <= MaxServerFileBytes)
        {
            var content = await ReadWholeAsync(tar, (int)size, cancellationToken).ConfigureAwait(false);
            digest.ServerFiles[relative] = content;
            HoldAgainstManifest(relative, Crc32C.Compute(content), key, digest);
            return;
        }

        if (!BackupListDigest.IsServerFile(relative))
        {
            digest.DatedFiles.Add(BackupListDigest.Dated(relative, tar.Entry.ModifiedUnixSeconds));
        }

        var pages = control is { DataChecksumVersion: > 0, BlockSizeBytes: PageBytes } ? PageExamination.Of(relative, start, carry) : null;
        var crc = Crc32C.Initial;
        IncrementReader? increment = null;
        try
        {
            for (var isFirst = true; await tar.ReadContentAsync(cancellationToken).ConfigureAwait(false) is { IsEmpty: false } piece; isFirst = false)
            {
                if (isFirst && isDelta && IsIncrement(piece.Span))
                {
                    digest.Increments.Add(relative);
                    increment = new IncrementReader(size, IncrementedFile.UsualSegmentBytes, relative);
                    pages?.TakeIncrement(increment);
                }

                crc = manifest is null ? crc : Crc32C.Append(crc, piece.Span);
                var header = increment is { HasHeader: false } ? increment.TakeHeader(piece.Span) : 0;
                pages?.Take(piece.Span[header..]);
            }

            increment?.ThrowIfUnfinished();
        }
        finally
        {
            increment?.Dispose();
        }

        if (increment is null)
        {
            HoldAgainstManifest(relative, Crc32C.Finish(crc), key, digest);
        }

        if (pages is { WrongCount: > 0 } && digest.FileFindings.Count < MaxFileFindings)
        {
            digest.FileFindings.Add(ArchiveFinding.Warning(FindingKind.PageChecksumWrong, key, string.Create(
                CultureInfo.InvariantCulture, $"'{relative}': {pages.WrongCount} pages have wrong checksums, the first is block {pages.FirstWrong}.")));
        }
    }

    private void HoldAgainstManifest(string relative, uint checksum, ObjectKey key, TarDigest digest)
    {
        if (manifest?.Find(relative) is { } expected && expected != checksum && digest.FileFindings.Count < MaxFileFindings)
        {
            digest.FileFindings.Add(ArchiveFinding.Error(
                FindingKind.BackupPartDamaged, key, $"'{relative}' is not what the server sent: its checksum in the backup's manifest is another."));
        }
    }

    private static bool IsIncrement(ReadOnlySpan<byte> content) => content.Length >= sizeof(uint)
        && BinaryPrimitives.ReadUInt32LittleEndian(content) is 0x55316977 or 0xD3AE1F0D;

    private static async Task<byte[]> ReadWholeAsync(TarReader tar, int size, CancellationToken cancellationToken)
    {
        var content = new byte[size];
        var filled = 0;
        while (await tar.ReadContentAsync(cancellationToken).ConfigureAwait(false) is { IsEmpty: false } piece)
        {
            piece.CopyTo(content.AsMemory(filled));
            filled += piece.Length;
        }

        return content;
    }
}
