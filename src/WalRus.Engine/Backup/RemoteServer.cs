using System.Globalization;
using WalRus.Postgres;
using WalRus.Protocol;

namespace WalRus.Backup;

/// <summary>What a server says about itself on a session for replication, where there is no SQL.</summary>
internal sealed record RemoteServer
{
    private const string Doing = "Reading the server's settings";

    public required int Version { get; init; }

    public required ulong SystemIdentifier { get; init; }

    /// <summary>As the server has it; links not resolved.</summary>
    public required string DataDirectory { get; init; }

    public required WalSegmentSize SegmentSize { get; init; }

    public required bool HasDataChecksums { get; init; }

    public required string ArchiveMode { get; init; }

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

        var (identifier, _) = await IdentifyAsync(connection, cancellationToken).ConfigureAwait(false);
        return new RemoteServer
        {
            Version = connection.ServerVersion,
            SystemIdentifier = identifier,
            DataDirectory = await ShowAsync(connection, "data_directory", cancellationToken).ConfigureAwait(false),
            SegmentSize = ParseSize(await ShowAsync(connection, "wal_segment_size", cancellationToken).ConfigureAwait(false)),
            HasDataChecksums = await ShowAsync(connection, "data_checksums", cancellationToken).ConfigureAwait(false) == "on",
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
    }

    private static async Task<string> ShowAsync(
        PostgresConnection connection, string setting, CancellationToken cancellationToken)
    {
        var command = new PostgresCommand(Doing, $"SHOW {setting}") { Grants = "GRANT pg_read_all_settings TO <role>;" };
        return (await connection.QueryRowAsync(command, cancellationToken).ConfigureAwait(false))[0]
            ?? throw connection.Violated($"its setting {setting} has no value");
    }

    /// <summary>"16MB", "1GB".</summary>
    private static WalSegmentSize ParseSize(string text)
    {
        var shift = text switch
        {
            _ when text.EndsWith("GB", StringComparison.Ordinal) => 30,
            _ when text.EndsWith("MB", StringComparison.Ordinal) => 20,
            _ when text.EndsWith("kB", StringComparison.Ordinal) => 10,
            _ => 0,
        };
        var digits = shift > 0 ? text.AsSpan(0, text.Length - 2) : text;
        return int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && number < 1 << 20 && WalSegmentSize.IsValid((long)number << shift)
            ? WalSegmentSize.FromBytes((int)((long)number << shift))
            : throw new WalRusException(ErrorCode.PostgresQueryFailed, $"{Doing}: wal_segment_size is '{text}'.");
    }
}
