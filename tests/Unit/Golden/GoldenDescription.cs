using System.Text.Json;
using System.Text.Json.Serialization;

namespace WalRus.Tests.Golden;

/// <summary>A golden archive's golden.json: how to read it, its backups, and moments with a known answer.</summary>
internal sealed record GoldenDescription
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public required int Postgres { get; init; }

    public required int WalSegmentSizeMb { get; init; }

    public required string Delta { get; init; }

    /// <summary>Name to original location.</summary>
    public required IReadOnlyDictionary<string, string> Tablespaces { get; init; }

    /// <summary>Settings to read it with; a name that ends in _PATH names a file beside it.</summary>
    public required IReadOnlyDictionary<string, string> Settings { get; init; }

    /// <summary>Oldest first.</summary>
    public required IReadOnlyList<GoldenBackup> Backups { get; init; }

    public required IReadOnlyList<GoldenPoint> Points { get; init; }

    public static GoldenDescription Read(GoldenArchive archive) =>
        JsonSerializer.Deserialize<GoldenDescription>(File.ReadAllBytes(Path.Combine(archive.Folder, "golden.json")), Json)!;

    /// <summary>
    /// The points that recovery from a backup can reach: the first backup comes before the first point, the second before
    /// the third point (or the fourth where there are two), the third before the fourth, one on timeline 2 before the last.
    /// The second timeline was forked at point_c, so what came later on the first is on nobody's way.
    /// </summary>
    public IReadOnlyList<GoldenPoint> ReachableFrom(GoldenBackup backup)
    {
        var index = Backups.ToList().IndexOf(backup);
        List<int> firstPoints = Backups.Count == 3 || Delta != "none" ? [0, 2, 3] : [0, 3];
        if (Backups.Any(other => other.Timeline == 2))
        {
            firstPoints = [.. firstPoints.Take(Backups.Count - 1), Points.Count - 1];
        }

        var first = firstPoints[Math.Min(index, firstPoints.Count - 1)];
        var hasFork = Points[^1].Timeline > 1 && backup.Timeline == 1;
        return
        [
            .. Points.Skip(first)
                .Where(point => point.Timeline >= backup.Timeline)
                .Where(point => !hasFork || point.Timeline == 2 || string.CompareOrdinal(point.Name, "point_c") <= 0),
        ];
    }
}

internal sealed record GoldenBackup(string Kind, [property: JsonPropertyName("backup")] string Name)
{
    public int Timeline => Convert.ToInt32(Name.Substring("base_".Length, 8), 16);

    public bool IsDelta => Name.Contains("_D_", StringComparison.Ordinal);
}

/// <summary>A moment, and for each database what answer.sql gave then.</summary>
internal sealed record GoldenPoint(
    string Name, string Time, ulong LastCommittedXid, string LsnBefore, string Lsn, int Timeline, IReadOnlyDictionary<string, string> Answer);
