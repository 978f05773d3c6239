using System.Text.Json;
using System.Text.RegularExpressions;
using WalRus.WalG;

namespace WalRus.Tests.Golden;

/// <summary>
/// wal-g's backup of a cluster and ours of the same cluster: names, documents, lists, tar headers and every page must be
/// equal, but for what a started server changes. WALRUS_TEST_FULL=1 takes every backup of every archive of this machine.
/// </summary>
public sealed partial class GoldenTwinTests
{
    private static readonly string[] Sizes = ["UncompressedSize", "CompressedSize", "DataCatalogSize"];

    public static TheoryData<string, string> Backups()
    {
        var backups = new TheoryData<string, string>();
        var isFull = Environment.GetEnvironmentVariable("WALRUS_TEST_FULL") == "1";
        foreach (var archive in (isFull ? GoldenArchive.All() : GoldenArchive.InRepository()).Where(archive => archive.IsWalG))
        {
            // The rating composer spreads files by their tables' statistics, which a standby does not have.
            if (!archive.Name.Contains("rating", StringComparison.Ordinal))
            {
                var all = GoldenDescription.Read(archive).Backups;
                backups.AddRange([.. all.Skip(isFull ? 0 : all.Count - 1).Select(backup => (archive.Name, backup.Name))]);
            }
        }

        return backups;
    }

    [Theory]
    [MemberData(nameof(Backups))]
    public async Task A_backup_of_the_same_cluster_is_what_wal_g_stored(string archive, string backup)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Times of files are set to the nanosecond.");
        var isRemote = archive.Contains("remote", StringComparison.Ordinal);
        await using var twin = await GoldenTwin.MakeAsync(archive, backup, isRemote);
        var (theirs, ours) = (twin.Theirs, twin.Ours);
        var comparison = new Comparison(twin, isRemote);
        Assert.Equal(comparison.Sentinel(theirs), comparison.Sentinel(ours));
        Assert.Equal(comparison.Metadata(theirs), comparison.Metadata(ours));
        Assert.Equal(Sections(theirs), Sections(ours));
        Assert.Equal(comparison.Files(theirs), comparison.Files(ours));
        Assert.Equal(comparison.TarFileSets(theirs), comparison.TarFileSets(ours));
        Assert.Equal(Databases(theirs), Databases(ours));
        Assert.Equal(comparison.Members(theirs), comparison.Members(ours));
        Assert.Equal(ours.ObjectBytes, Size(ours, "CompressedSize"));
        if (!isRemote)
        {
            Assert.All([theirs, ours], stored => Assert.Equal(
                stored.Members.Sum(member => member.SizeBytes), Size(stored, "UncompressedSize")));
            Assert.Equal(CatalogSize(twin), Size(ours, "DataCatalogSize"));
        }
    }

    /// <summary>Without the one of our own, which docs/WALG-COMPATIBILITY.md names.</summary>
    private static IEnumerable<string> Sections(StoredBackup stored) =>
        stored.Files.EnumerateObject().Select(section => section.Name).Where(name => name != FilesMetadataWriter.TarChecksumsKey);

    private static long Size(StoredBackup stored, string name) => stored.Sentinel.GetProperty(name).GetInt64();

    /// <summary>On disk: what is listed, the control file, what is left out, and tablespaces with their links.</summary>
    private static long CatalogSize(GoldenTwin twin)
    {
        var root = twin.Cluster.DataDirectory;
        var listed = twin.Ours.Files.GetProperty("Files").EnumerateObject().Select(file => Path.Join(root, file.Name));
        string[] others = ["global/pg_control", "postmaster.pid", "postmaster.opts", "standby.signal"];
        var links = Directory.GetFileSystemEntries(Path.Combine(root, "pg_tblspc"));
        return listed.Concat(others.Select(name => Path.Combine(root, name))).Concat(links).Concat(links.Select(Target)).Sum(OnDisk);

        static string Target(string link) => Directory.ResolveLinkTarget(link, returnFinalTarget: false)!.FullName;
        static long OnDisk(string path)
        {
            Assert.True(WalRus.Backup.FileFacts.TryOfPath(path, out var facts), path);
            return facts.SizeBytes;
        }
    }

    /// <summary>Go's maps have no order.</summary>
    private static string Databases(StoredBackup stored) =>
        stored.Files.TryGetProperty("DatabasesByNames", out var databases) ? Sorted(databases) : "";

    private static string Sorted(JsonElement value) => value.ValueKind != JsonValueKind.Object
        ? value.GetRawText()
        : string.Join('\n', value.EnumerateObject().OrderBy(member => member.Name, StringComparer.Ordinal)
            .Select(member => $"{member.Name}: {{{Sorted(member.Value)}}}"));

    /// <summary>Each part as lines that are equal when the parts are.</summary>
    private sealed partial class Comparison(GoldenTwin twin, bool isRemote)
    {
        /// <summary>Written by the test or by each server for itself, or about where tablespaces are.</summary>
        private static readonly string[] Rewritten = ["postgresql.conf", "postgresql.auto.conf", "global/pg_control", "backup_label", "tablespace_map"];

        private readonly HashSet<string> directories =
            [.. twin.Theirs.Members.Where(member => member.IsDirectory).Select(member => member.Name)];

        public IEnumerable<string> Sentinel(StoredBackup stored) => Document(stored.Sentinel);

        public IEnumerable<string> Metadata(StoredBackup stored) => Document(stored.Metadata);

        public IEnumerable<string> Files(StoredBackup stored)
        {
            foreach (var file in ByName(stored.Files.GetProperty("Files")).Where(file => !IsChanged(file.Name)))
            {
                // Directories change with what is created in them; a server that sends files says whole seconds of the copy.
                var isTimed = !isRemote && !directories.Contains(file.Name);
                yield return file.Name + string.Concat(file.Value.EnumerateObject().Select(
                    member => $" {member.Name}={(member.Name == "MTime" && !isTimed ? TimeShape(member.Value) : member.Value.GetRawText())}"));
            }
        }

        public IEnumerable<string> TarFileSets(StoredBackup stored) => !stored.Files.TryGetProperty("TarFileSets", out var tars)
            ? []
            : ByName(tars).Select(tar => tar.Name + " " + (tar.Name.StartsWith("backup_label", StringComparison.Ordinal)
                ? tar.Value.GetRawText()
                : string.Join(' ', Names(tar.Value).Where(name => !IsChanged(name)).Order(StringComparer.Ordinal))));

        public IEnumerable<string> Members(StoredBackup stored) => stored.Members
            .Where(member => !IsChanged(member.Name))
            .OrderBy(member => $"{member.Tar} {member.Name}", StringComparer.Ordinal)
            .Select(member => $"{member.Name} {member.Describe(IsTimed(member), !IsRewritten(member.Name))}");

        private static bool IsRewritten(string name) => Rewritten.Contains(name.TrimStart('/'));

        private bool IsTimed(StoredMember member) =>
            !isRemote && !member.IsDirectory && !member.Name.EndsWith("pg_control", StringComparison.Ordinal);

        /// <summary>Caches, what recovery renames or empties, and what says "standby".</summary>
        private bool IsChanged(string name) =>
            name.EndsWith("/pg_internal.init", StringComparison.Ordinal)
            || name.TrimStart('/') is "backup_label.old" or "tablespace_map.old" or "standby.signal" or "backup_manifest"
            || twin.Theirs.Files.GetProperty("Files").TryGetProperty($"{name}_init", out _);

        private IEnumerable<string> Document(JsonElement document) => document.EnumerateObject().Select(member =>
        {
            var isSize = Sizes.Contains(member.Name, StringComparer.OrdinalIgnoreCase)
                || Sizes.Contains(member.Name.Replace("_", "", StringComparison.Ordinal), StringComparer.OrdinalIgnoreCase);
            var value = member.Value.ToString();
            return $"{member.Name}={member.Name.Replace("_", "", StringComparison.Ordinal).ToUpperInvariant() switch
            {
                "STARTTIME" or "FINISHTIME" => TimeShape(member.Value),
                "PGVERSION" => $"{member.Value.GetInt32() / 10000}",
                "HOSTNAME" => member.Value.ValueKind,
                _ when isSize => member.Value.ValueKind,
                _ => Moved(member.Value.GetRawText()),
            }}";
        });

        /// <summary>The golden cluster's places are not ours.</summary>
        private string Moved(string text)
        {
            text = text.Replace(twin.Cluster.DataDirectory, "DATA", StringComparison.Ordinal)
                .Replace(twin.Theirs.Sentinel.GetProperty("DataDir").GetString()!, "DATA", StringComparison.Ordinal);
            return Location().Replace(text, "\"loc\":\"...\"");
        }

        private static IEnumerable<JsonProperty> ByName(JsonElement map) =>
            map.EnumerateObject().OrderBy(member => member.Name, StringComparer.Ordinal);

        private static IEnumerable<string> Names(JsonElement list) => list.EnumerateArray().Select(name => name.GetString()!);

        private static string TimeShape(JsonElement time) =>
            GoTime().IsMatch(time.GetString()!) ? "a time" : $"not as Go writes a time: {time}";

        [GeneratedRegex(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?(Z|[+-]\d\d:\d\d)$")]
        private static partial Regex GoTime();

        [GeneratedRegex("\"loc\":\"[^\"]*\"")]
        private static partial Regex Location();
    }
}
