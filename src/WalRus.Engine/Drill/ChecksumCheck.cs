using System.Globalization;
using WalRus.Backup;
using WalRus.Postgres;
using WalRus.Streaming;

namespace WalRus.Drill;

/// <summary>The checksums of all pages of a stopped cluster: pg_checksums where it is installed, else by this program.</summary>
internal sealed class ChecksumCheck(DrillServer server, DrillWorkspace space, RecoveredFacts facts)
{
    private const int ReadBytes = 256 * 1024;

    public async Task<DrillFinding> RunAsync(CancellationToken cancellationToken)
    {
        if (!HasChecksums())
        {
            return DrillFinding.Skipped("The cluster has no page checksums (initdb --data-checksums, pg_checksums --enable).");
        }

        return server.Has("pg_checksums")
            ? await WithProgramAsync(cancellationToken).ConfigureAwait(false)
            : await Task.Run(() => WithoutProgramAsync(cancellationToken), cancellationToken).ConfigureAwait(false);
    }

    private bool HasChecksums()
    {
        try
        {
            return ControlFile.Parse(File.ReadAllBytes(Path.Combine(space.Data, ControlFile.RelativePath))).DataChecksumVersion != 0;
        }
        catch (WalRusException)
        {
            // Of a version this program does not know: pg_checksums knows.
            return true;
        }
    }

    private async Task<DrillFinding> WithProgramAsync(CancellationToken cancellationToken)
    {
        try
        {
            var said = await server.RunAsync("pg_checksums", ["--check", "-D", space.Data], cancellationToken)
                .ConfigureAwait(false);
            var blocks = said.Split('\n').FirstOrDefault(line => line.StartsWith("Blocks scanned:", StringComparison.Ordinal));
            return DrillFinding.Passed(blocks is null ? "pg_checksums" : $"{blocks["Blocks scanned:".Length..].Trim()} blocks (pg_checksums)");
        }
        catch (WalRusException failed) when (failed.Code == ErrorCode.PostgresUnreachable)
        {
            throw Failed(failed.Message, failed);
        }
    }

    private async Task<DrillFinding> WithoutProgramAsync(CancellationToken cancellationToken)
    {
        // Nothing writes here any more: no page is excused for having changed.
        var pages = new PageVerification(facts.BlockBytes, facts.FileBlocks, new Lsn(ulong.MaxValue), listAll: false);
        var buffer = new byte[ReadBytes];
        long blocks = 0;
        var broken = new List<string>();
        foreach (var path in RelationFiles())
        {
            var name = "/" + Path.GetRelativePath(space.Data, path).Replace('\\', '/');
            if (pages.Begin(name) is { } file)
            {
                blocks += await ReadAsync(path, file, buffer, cancellationToken).ConfigureAwait(false);
                if (file.Result is { } corrupt && broken.Count < 10)
                {
                    broken.Add($"{name} ({corrupt.Count} blocks, first {corrupt.Blocks[0]})");
                }
            }
        }

        return pages.CorruptCount == 0
            ? DrillFinding.Passed(string.Create(CultureInfo.InvariantCulture, $"{blocks} blocks (read by walrus)"))
            : throw Failed($"{pages.CorruptCount} blocks have a wrong checksum: {string.Join(", ", broken)}", null);
    }

    private async Task<long> ReadAsync(
        string path, PageVerification.FileVerification file, byte[] buffer, CancellationToken cancellationToken)
    {
        using var content = DataFile.TryOpen(path, 0);
        long offset = 0;
        int read;
        while (content is not null && (read = content.Read(buffer, offset)) >= facts.BlockBytes)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var whole = read - (read % facts.BlockBytes);
            await file.CheckAsync(buffer.AsMemory(0, whole), offset, content, cancellationToken).ConfigureAwait(false);
            offset += whole;
        }

        return offset / facts.BlockBytes;
    }

    /// <summary>All files of the three places of relations; tablespaces are reached through their links.</summary>
    private IEnumerable<string> RelationFiles()
    {
        var all = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.None };
        return new[] { "base", "global", "pg_tblspc" }
            .Select(folder => Path.Combine(space.Data, folder))
            .Where(Directory.Exists)
            .SelectMany(folder => Directory.EnumerateFiles(folder, "*", all));
    }

    private static WalRusException Failed(string what, Exception? inner) => new(
        ErrorCode.DrillFailed,
        what,
        "Check the same cluster with pg_amcheck and a verified backup: the page is damaged in the backup or already on the original's disk.",
        inner);
}
