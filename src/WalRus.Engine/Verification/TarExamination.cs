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

    /// <summary>Files whose pages are wrong, the first of them; told only of a tar that is whole.</summary>
    public List<ArchiveFinding> PageFindings { get; } = [];

    /// <summary>The control file and the labels, where they were met.</summary>
    public Dictionary<string, byte[]> ServerFiles { get; } = new(StringComparer.Ordinal);
}

/// <summary>
/// Reads one tar of a backup to its end: the object's own checks, headers, every member's length; where the cluster has
/// page checksums, those of relations' main forks.
/// </summary>
/// <param name="archive">The archive.</param>
/// <param name="control">The backup's control file; null while it is not known, or where it is damaged.</param>
/// <param name="start">The backup's start: a page with a newer LSN is written again by replay.</param>
/// <param name="isDelta">Members may be increments.</param>
internal sealed class TarExamination(Archive archive, ControlFile? control, Lsn start, bool isDelta)
{
    private const int MaxPageFindings = 100;
    private const int MaxServerFileBytes = 1 << 20;
    private const int PageBytes = 8192;
    private const uint BlocksOfFile = 131_072;

    /// <param name="key">The tar.</param>
    /// <param name="buffer">At least <see cref="TarReader.MinBufferBytes"/>, a multiple of a page.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="WalRusException">What is wrong with the tar itself.</exception>
    public async Task<TarDigest> RunAsync(
        ObjectKey key, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var digest = new TarDigest();
        var source = await archive.OpenReadAsync(key, cancellationToken).ConfigureAwait(false);
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
            digest.ServerFiles[relative] = await ReadWholeAsync(tar, (int)size, cancellationToken).ConfigureAwait(false);
            return;
        }

        if (!BackupListDigest.IsServerFile(relative))
        {
            digest.DatedFiles.Add(BackupListDigest.Dated(relative, tar.Entry.ModifiedUnixSeconds));
        }

        var pages = control is { DataChecksumVersion: > 0, BlockSizeBytes: PageBytes } ? PageCheck.Of(relative, start) : null;
        IncrementReader? increment = null;
        try
        {
            for (var isFirst = true; await tar.ReadContentAsync(cancellationToken).ConfigureAwait(false) is { IsEmpty: false } piece; isFirst = false)
            {
                if (isFirst && isDelta && IsIncrement(piece.Span))
                {
                    digest.Increments.Add(relative);
                    increment = new IncrementReader(size, IncrementedFile.UsualSegmentBytes, relative);
                    pages = null;
                }

                increment?.TakeHeader(piece.Span);
                pages?.Take(piece.Span);
            }

            increment?.ThrowIfUnfinished();
        }
        finally
        {
            increment?.Dispose();
        }

        if (pages is { WrongCount: > 0 } && digest.PageFindings.Count < MaxPageFindings)
        {
            digest.PageFindings.Add(ArchiveFinding.Warning(FindingKind.PageChecksumWrong, key, string.Create(
                CultureInfo.InvariantCulture, $"'{relative}': {pages.WrongCount} pages have wrong checksums, the first is block {pages.FirstWrong}.")));
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

    /// <summary>The pages of one file of a relation's main fork.</summary>
    private sealed class PageCheck(uint firstBlock, Lsn start)
    {
        /// <summary>No backup sees this much WAL pass: a page LSN further on is garbage, not a recent change.</summary>
        private const ulong FarAheadBytes = 1UL << 44;

        private uint next;

        public long WrongCount { get; private set; }

        public uint FirstWrong { get; private set; }

        /// <returns>Null when the name is not that of a main fork's file.</returns>
        public static PageCheck? Of(string relative, Lsn start)
        {
            if (!relative.StartsWith("base/", StringComparison.Ordinal) && !relative.StartsWith("global/", StringComparison.Ordinal)
                && !relative.StartsWith("pg_tblspc/", StringComparison.Ordinal))
            {
                return null;
            }

            var last = relative.AsSpan(relative.LastIndexOf('/') + 1);
            var dot = last.IndexOf('.');
            uint segment = 0;
            var isRelation = uint.TryParse(dot < 0 ? last : last[..dot], NumberStyles.None, CultureInfo.InvariantCulture, out _)
                && (dot < 0 || uint.TryParse(last[(dot + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out segment));
            return isRelation ? new PageCheck(unchecked(segment * BlocksOfFile), start) : null;
        }

        public void Take(ReadOnlySpan<byte> content)
        {
            for (var at = 0; at + PageBytes <= content.Length; at += PageBytes, next++)
            {
                if (!IsGood(content.Slice(at, PageBytes), firstBlock + next))
                {
                    FirstWrong = WrongCount == 0 ? next : FirstWrong;
                    WrongCount++;
                }
            }
        }

        private bool IsGood(ReadOnlySpan<byte> page, uint block)
        {
            var header = PageHeader.Read(page);
            return header.IsNew
                ? !page.ContainsAnyExcept((byte)0)
                : header.Checksum == PageChecksum.Compute(page, block) || (header.Lsn >= start && header.Lsn.Value - start.Value < FarAheadBytes);
        }
    }
}
