using System.Globalization;
using System.Text.Json;
using WalRus.Cli.CommandLine;
using WalRus.Cli.Terminal;
using WalRus.Configuration;
using WalRus.Postgres;
using WalRus.Verification;

namespace WalRus.Cli.Commands;

/// <summary>
/// <c>walrus wal-verify integrity|timeline|deep... [--json] [--timeline N --lsn X/Y] [--backup-name NAME]</c>: wal-g's checks in
/// wal-g's forms, exit code 0 whatever they find; and WalRus' own, which reads everything and exits 1 for damage.
/// </summary>
internal static class WalVerifyCommand
{
    private const string Integrity = "integrity";
    private const string Timeline = "timeline";
    private const string Deep = "deep";
    private static readonly string[] Checks = [Integrity, Timeline, Deep];
    private static readonly string[] RangeTitles = ["TLI", "Start", "End", "Segments count", "Status"];

    public static Command Definition { get; } = new()
    {
        Name = "wal-verify",
        Arguments = "integrity|timeline|deep...",
        Meaning = "Verify the archive: missing segments, the cluster's timeline; deep: read everything",
        MaximumArguments = int.MaxValue,
        Options =
        [
            new("json", "as JSON"),
            new(Timeline, "with --lsn: the cluster's timeline; without the two the server is asked", null, "uint"),
            new("lsn", "with --timeline: where the cluster is", null, "string"),
            new("backup-name", "the backup to begin from, the earliest that is not permanent when not given; the one to read deep", null, "string"),
        ],
        RunAsync = RunAsync,
    };

    private static async Task<int> RunAsync(Invocation call, CancellationToken cancellationToken)
    {
        CheckNames(call.Arguments);
        if (call.Has("json") && call.Arguments.Contains(Deep))
        {
            throw new UsageException("--json does not go with deep, which tells what it finds as it finds it", Definition);
        }

        var given = GivenPosition(call);
        var engine = call.OpenEngine();
        await using var close = engine.ConfigureAwait(false);
        var backup = call.Value("backup-name") is { Length: > 0 } name ? name : null;
        var result = call.Arguments.Any(check => check != Deep)
            ? await VerifyAsync(call, engine, given, backup, cancellationToken).ConfigureAwait(false) : new WalVerifyResult(null, null);
        if (call.Has("json"))
        {
            JsonOutput.Write(call.Output, indented: false, writer => WriteJson(writer, result), end: "");
        }
        else
        {
            WriteText(call.Output, result);
        }

        return call.Arguments.Contains(Deep) && !await ExamineAsync(call, engine, backup, cancellationToken).ConfigureAwait(false)
            ? ExitCodes.Failure : ExitCodes.Success;
    }

    private static async Task<WalVerifyResult> VerifyAsync(
        Invocation call, WalRusEngine engine, WalPosition? given, string? backup, CancellationToken cancellationToken) =>
        await engine.CreateWalVerify().RunAsync(
            new WalVerifyRequest
            {
                Integrity = call.Arguments.Contains(Integrity),
                Timeline = call.Arguments.Contains(Timeline),
                Position = given ?? await engine.ReadServerPositionAsync(cancellationToken).ConfigureAwait(false),
                BackupName = backup,
            },
            cancellationToken).ConfigureAwait(false);

    /// <summary>A line a finding, with what to do in the log; true when nothing is lost.</summary>
    private static async Task<bool> ExamineAsync(Invocation call, WalRusEngine engine, string? backup, CancellationToken cancellationToken)
    {
        var examination = engine.CreateArchiveExamination();
        var isGood = true;
        await foreach (var finding in examination.RunAsync(new ExaminationRequest { BackupName = backup }, cancellationToken).ConfigureAwait(false))
        {
            isGood &= finding.Severity != FindingSeverity.Error;
            call.Output.Write($"[wal-verify] {Deep} {finding.Severity.ToString().ToUpperInvariant()} {finding.Kind} {finding.Object}: {finding.Message}\n");
            call.Log.Info("FindingAction", $"{finding.Object}: {finding.Action}");
        }

        var read = examination.Summary;
        call.Output.Write(FormattableString.Invariant(
            $"[wal-verify] {Deep} check status: {(isGood ? "OK" : "FAILURE")}, {read.ObjectCount} objects read, {read.SegmentCount} segments, {read.BackupCount} backups\n"));
        return isGood;
    }

    private static void CheckNames(IReadOnlyList<string> names)
    {
        if (names.Count == 0)
        {
            throw new UsageException(
                $"at least one of the following checks should be specified: {string.Join(", ", Checks)}", Definition);
        }

        if (names.FirstOrDefault(name => !Checks.Contains(name)) is { } unknown)
        {
            throw new UsageException($"invalid check specified: {unknown}", Definition);
        }
    }

    private static WalPosition? GivenPosition(Invocation call)
    {
        var (timeline, lsn) = (call.Value(Timeline), call.Value("lsn"));
        if (timeline is null && lsn is null)
        {
            return null;
        }

        if (timeline is null || lsn is null)
        {
            throw new UsageException("--timeline and --lsn belong together: give both, or none and let the server be asked", Definition);
        }

        return uint.TryParse(timeline, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0
            && Lsn.TryParse(lsn, out var position) && position.IsValid
            ? new WalPosition(new TimelineId(number), position)
            : throw new UsageException($"--timeline \"{timeline}\" --lsn \"{lsn}\" is not a timeline and a position such as 16/B374D848", Definition);
    }

    private static void WriteText(TextWriter output, WalVerifyResult result)
    {
        if (result.Integrity is { } integrity)
        {
            WriteHeading(output, Integrity, integrity.Status);

            // wal-g's status is a number to its table library: on the right.
            TextTable.WriteBoxed(
                output,
                [
                    RangeTitles,
                    .. integrity.Ranges.Select(range => (IReadOnlyList<string>)
                    [
                        range.Timeline.ToString(),
                        range.First.ToString(),
                        range.Last.ToString(),
                        range.Count.ToString(CultureInfo.InvariantCulture),
                        Text(range.Status),
                    ]),
                ],
                column => column is 0 or > 2);
        }

        if (result.Timeline is { } timeline)
        {
            WriteHeading(output, Timeline, timeline.Status);
            output.Write($"Highest timeline found in storage: {timeline.Highest?.Value ?? 0}\nCurrent cluster timeline: {timeline.Current}\n");
        }
    }

    private static void WriteHeading(TextWriter output, string check, VerifyStatus status) =>
        output.Write($"[wal-verify] {check} check status: {Text(status)}\n[wal-verify] {check} check details:\n");

    private static void WriteJson(Utf8JsonWriter writer, WalVerifyResult result)
    {
        writer.WriteStartObject();
        if (result.Integrity is { } integrity)
        {
            writer.WriteStartObject(Integrity);
            writer.WriteString("status", Text(integrity.Status));
            WriteRanges(writer, integrity.Ranges);
            writer.WriteEndObject();
        }

        if (result.Timeline is { } timeline)
        {
            writer.WriteStartObject(Timeline);
            writer.WriteString("status", Text(timeline.Status));
            writer.WriteStartObject("details");
            writer.WriteNumber("current_timeline_id", timeline.Current.Value);
            writer.WriteNumber("highest_storage_timeline_id", timeline.Highest?.Value ?? 0);
            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        writer.WriteEndObject();
    }

    private static void WriteRanges(Utf8JsonWriter writer, IReadOnlyList<SegmentRange> ranges)
    {
        if (ranges.Count == 0)
        {
            writer.WriteNull("details");
            return;
        }

        writer.WriteStartArray("details");
        foreach (var range in ranges)
        {
            writer.WriteStartObject();
            writer.WriteNumber("timeline_id", range.Timeline.Value);
            writer.WriteString("start_segment", range.First.ToString());
            writer.WriteString("end_segment", range.Last.ToString());
            writer.WriteNumber("segments_count", range.Count);
            writer.WriteString("status", Text(range.Status));
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static string Text(VerifyStatus status) => status switch
    {
        VerifyStatus.Ok => "OK",
        VerifyStatus.Warning => "WARNING",
        _ => "FAILURE",
    };

    private static string Text(SegmentStatus status) => status switch
    {
        SegmentStatus.Found => "FOUND",
        SegmentStatus.MissingDelayed => "MISSING_DELAYED",
        SegmentStatus.MissingUploading => "MISSING_UPLOADING",
        _ => "MISSING_LOST",
    };
}
