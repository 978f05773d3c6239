using System.Globalization;
using System.Text.Json;
using WalRus.Cli.CommandLine;
using WalRus.Cli.Terminal;
using WalRus.Verification;

namespace WalRus.Cli.Commands;

/// <summary><c>walrus wal-show [--detailed-json] [--without-backups]</c>: what there is of each timeline, in wal-g's forms.</summary>
internal static class WalShowCommand
{
    private static readonly string[] Titles =
        ["TLI", "Parent TLI", "Switchpoint LSN", "Start segment", "End segment", "Segment range", "Segments count", "Status"];

    /// <summary>What wal-g's table library takes for text; numbers, the LSN among them, stand on the right.</summary>
    private static readonly HashSet<int> TextColumns = [3, 4, 7];

    public static Command Definition { get; } = new()
    {
        Name = "wal-show",
        Meaning = "Show the timelines, their WAL and backups",
        Options =
        [
            new("detailed-json", "as JSON, with missing segments and backups"),
            new("without-backups", "leave the backups out"),
        ],
        RunAsync = RunAsync,
    };

    private static async Task<int> RunAsync(Invocation call, CancellationToken cancellationToken)
    {
        var engine = call.OpenEngine();
        await using var close = engine.ConfigureAwait(false);
        var withBackups = !call.Has("without-backups");
        var exitCode = ExitCodes.Success;
        var timelines = await engine.CreateTimelineSurvey().RunAsync(
            withBackups,
            unreadable =>
            {
                // The others are shown all the same; the exit code says that this is not all.
                call.Log.Error(unreadable.Error!.Code, unreadable.Error.Message, unreadable.Error.Hint);
                exitCode = ExitCodes.Failure;
            },
            cancellationToken).ConfigureAwait(false);

        // wal-g shows timelines of which there is a segment.
        var shown = timelines.Where(timeline => timeline.Runs.Count > 0).ToList();
        foreach (var problem in shown.Select(timeline => timeline.HistoryProblem).OfType<WalRusException>())
        {
            call.Log.Error(problem.Code, problem.Message, problem.Hint);
            exitCode = ExitCodes.Failure;
        }

        if (call.Has("detailed-json"))
        {
            JsonOutput.Write(call.Output, indented: false, writer => WriteJson(writer, shown, withBackups), end: "");
        }
        else
        {
            WriteTable(call.Output, shown, withBackups);
        }

        return exitCode;
    }

    private static void WriteTable(TextWriter output, List<ArchivedTimeline> timelines, bool withBackups) => TextTable.WriteBoxed(
        output,
        [
            withBackups ? [.. Titles, "Backups count"] : Titles,
            .. timelines.Select(timeline => (IReadOnlyList<string>)
            [
                timeline.Timeline.ToString(),
                (timeline.History?.Parent?.Value ?? 0).ToString(CultureInfo.InvariantCulture),
                SwitchPoint(timeline).ToString(),
                timeline.First.ToString()!,
                timeline.Last.ToString()!,
                timeline.RangeSize.ToString(CultureInfo.InvariantCulture),
                timeline.SegmentCount.ToString(CultureInfo.InvariantCulture),
                Status(timeline),
                .. withBackups ? [timeline.BackupsWithin().Count().ToString(CultureInfo.InvariantCulture)] : Array.Empty<string>(),
            ]),
        ],
        column => !TextColumns.Contains(column));

    private static void WriteJson(Utf8JsonWriter writer, List<ArchivedTimeline> timelines, bool withBackups)
    {
        writer.WriteStartArray();
        foreach (var timeline in timelines)
        {
            writer.WriteStartObject();
            writer.WriteNumber("id", timeline.Timeline.Value);
            writer.WriteNumber("parent_id", timeline.History?.Parent?.Value ?? 0);
            writer.WriteNumber("switch_point_lsn", SwitchPoint(timeline).Value);
            writer.WriteString("start_segment", timeline.First.ToString());
            writer.WriteString("end_segment", timeline.Last.ToString());
            writer.WriteNumber("segments_count", timeline.SegmentCount);
            writer.WriteStartArray("missing_segments");
            foreach (var missing in timeline.Missing())
            {
                writer.WriteStringValue(missing.ToString());
            }

            writer.WriteEndArray();
            WriteBackups(writer, withBackups ? [.. timeline.BackupsWithin()] : []);
            writer.WriteNumber("segment_range_size", timeline.RangeSize);
            writer.WriteString("status", Status(timeline));
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void WriteBackups(Utf8JsonWriter writer, List<Archiving.BackupDetail> backups)
    {
        if (backups.Count == 0)
        {
            return;
        }

        writer.WriteStartArray("backups");
        foreach (var backup in backups)
        {
            BackupTable.WriteJson(writer, new BackupLine(backup.Name, backup.Modified, backup.StorageName, backup));
        }

        writer.WriteEndArray();
    }

    private static Postgres.Lsn SwitchPoint(ArchivedTimeline timeline) =>
        timeline.History is { Switches: { Count: > 0 } switches } ? switches[^1].SwitchPoint : default;

    private static string Status(ArchivedTimeline timeline) => timeline.IsComplete ? "OK" : "LOST_SEGMENTS";
}
