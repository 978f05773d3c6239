using System.Globalization;
using WalRus.Postgres;
using WalRus.Protocol;

namespace WalRus.Backup;

/// <summary>What a server says about itself on a session for replication, where there is no SQL.</summary>
internal sealed record RemoteServer
{
    private const string Doing = "Reading the server's settings";
    private const int FirstWithSummaries = 170000;

    public required int Version { get; init; }

    public required ulong SystemIdentifier { get; init; }

    /// <summary>As the server has it; links not resolved.</summary>
    public required string DataDirectory { get; init; }

    public required WalSegmentSize SegmentSize { get; init; }

    public required bool HasDataChecksums { get; init; }

    public required string ArchiveMode { get; init; }

    /// <summary>False when archiving is on and nothing is told to do it.</summary>
    public required bool HasArchiver { get; init; }

    /// <summary>Bytes of a page.</summary>
    public required int BlockBytes { get; init; }

    /// <summary>Blocks of one file of a relation.</summary>
    public required int FileBlocks { get; init; }

    /// <summary>The server writes down which blocks change (PostgreSQL 17 and later), so it can make increments.</summary>
    public required bool SummarizesWal { get; init; }

    /// <summary>As of when the session began.</summary>
    public required TimelineId Timeline { get; init; }

    /// <summary>That timeline's past; null when the server has not kept it.</summary>
    public TimelineHistory? Timelines { get; init; }

    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.PostgresVersionUnsupported"/>, <see cref="ErrorCode.PostgresPrivilegeMissing"/>.
    /// </exception>
    public static async Task<RemoteServer> ReadAsync(PostgresConnection connection, CancellationToken cancellationToken)
    {
        if (connection.ServerVersion < ServerFacts.OldestVersion)
        {
            throw new WalRusException(
                ErrorCode.PostgresVersionUnsupported,
                $"{connection} is PostgreSQL {connection.ServerVersion / 10000}; backups need 13 or later.",
                "Upgrade the server, or back it up with wal-g into the same archive.");
        }

        var (identifier, timeline) = await IdentifyAsync(connection, cancellationToken).ConfigureAwait(false);
        var blockBytes = await ShowSizeAsync(connection, "block_size", cancellationToken).ConfigureAwait(false);
        return new RemoteServer
        {
            Timeline = timeline,
            Timelines = await ReadTimelinesAsync(connection, timeline, cancellationToken).ConfigureAwait(false),
            BlockBytes = (int)blockBytes,
            FileBlocks = (int)(await ShowSizeAsync(connection, "segment_size", cancellationToken).ConfigureAwait(false) / blockBytes),
            SummarizesWal = connection.ServerVersion >= FirstWithSummaries
                && await ShowAsync(connection, "summarize_wal", cancellationToken).ConfigureAwait(false) == "on",
            Version = connection.ServerVersion,
            SystemIdentifier = identifier,
            DataDirectory = await ShowAsync(connection, "data_directory", cancellationToken).ConfigureAwait(false),
            SegmentSize = WalSegmentSize.FromBytes(
                await ShowSizeAsync(connection, "wal_segment_size", cancellationToken).ConfigureAwait(false)),
            HasDataChecksums = await ShowAsync(connection, "data_checksums", cancellationToken).ConfigureAwait(false) == "on",
            HasArchiver = await HasArchiverAsync(connection, cancellationToken).ConfigureAwait(false),
            ArchiveMode = await ShowAsync(connection, "archive_mode", cancellationToken).ConfigureAwait(false),
        };
    }

    /// <summary>The system identifier and the timeline now.</summary>
    public static async Task<(ulong SystemIdentifier, TimelineId Timeline)> IdentifyAsync(
        PostgresConnection connection, CancellationToken cancellationToken)
    {
        var row = await connection
            .QueryRowAsync(new PostgresCommand("Asking for the system's identity", "IDENTIFY_SYSTEM"), cancellationToken)
            .ConfigureAwait(false);
        return ulong.TryParse(row[0], NumberStyles.None, CultureInfo.InvariantCulture, out var identifier)
            && uint.TryParse(row[1], NumberStyles.None, CultureInfo.InvariantCulture, out var timeline)
            ? (identifier, new TimelineId(timeline))
            : throw connection.Violated("its identity is none");
    }

    /// <summary>A timeline's past, as the server has it; null when it has not kept it.</summary>
    private static async Task<TimelineHistory?> ReadTimelinesAsync(
        PostgresConnection connection, TimelineId timeline, CancellationToken cancellationToken)
    {
        if (timeline.Value == 1)
        {
            return TimelineHistory.WithoutPast(timeline);
        }

        try
        {
            var command = new PostgresCommand("Asking for the timeline's history", $"TIMELINE_HISTORY {timeline}");
            var row = await connection.QueryRowAsync(command, cancellationToken).ConfigureAwait(false);
            return TimelineHistory.Parse(timeline, row.Bytes(1) ?? []);
        }
        catch (ServerErrorException)
        {
            return null;
        }
    }

    /// <summary>What this configuration means for a backup that is to be restored one day.</summary>
    public IEnumerable<string> Warnings()
    {
        if (Version >= ServerFacts.NewerVersion)
        {
            yield return $"PostgreSQL {Version / 10000} is newer than this version of WalRus, which knows majors up to 18.";
        }

        if (ArchiveMode == "off")
        {
            yield return "archive_mode is off: the WAL this backup needs is archived only if something else does it.";
        }
        else if (!HasArchiver)
        {
            yield return "archive_command is empty: a primary's backup will not end until archiving goes on.";
        }
    }

    private static async Task<bool> HasArchiverAsync(PostgresConnection connection, CancellationToken cancellationToken) =>
        await ShowAsync(connection, "archive_command", cancellationToken).ConfigureAwait(false) != ""
        || (connection.ServerVersion >= BaseBackupOptions.FirstWithList
            && await ShowAsync(connection, "archive_library", cancellationToken).ConfigureAwait(false) != "");

    private static async Task<string> ShowAsync(
        PostgresConnection connection, string setting, CancellationToken cancellationToken)
    {
        var command = new PostgresCommand(Doing, $"SHOW {setting}") { Grants = "GRANT pg_read_all_settings TO <role>;" };
        return (await connection.QueryRowAsync(command, cancellationToken).ConfigureAwait(false))[0]
            ?? throw connection.Violated($"its setting {setting} has no value");
    }

    /// <summary>"8192", "16MB", "1GB", in bytes.</summary>
    private static async Task<long> ShowSizeAsync(
        PostgresConnection connection, string setting, CancellationToken cancellationToken)
    {
        var text = await ShowAsync(connection, setting, cancellationToken).ConfigureAwait(false);
        var shift = text switch
        {
            _ when text.EndsWith("TB", StringComparison.Ordinal) => 40,
            _ when text.EndsWith("GB", StringComparison.Ordinal) => 30,
            _ when text.EndsWith("MB", StringComparison.Ordinal) => 20,
            _ when text.EndsWith("kB", StringComparison.Ordinal) => 10,
            _ => 0,
        };
        return int.TryParse(
            shift > 0 ? text.AsSpan(0, text.Length - 2) : text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && number > 0
            ? (long)number << shift
            : throw connection.Violated($"its setting {setting} is '{text}'");
    }
}
