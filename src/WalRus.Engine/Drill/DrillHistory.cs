using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using WalRus.Streaming;

namespace WalRus.Drill;

/// <summary>What is remembered of a drill.</summary>
public sealed record DrillHistoryEntry
{
    private const int MaxMessageChars = 2000;

    public required DateTimeOffset StartTime { get; init; }

    public required string BackupName { get; init; }

    public DateTimeOffset? BackupFinishTime { get; init; }

    /// <summary>The cluster's: a report shows the drills of its own archive.</summary>
    public ulong? SystemIdentifier { get; init; }

    public required DrillOutcome Status { get; init; }

    public string Target { get; init; } = "";

    public string? ServerVersion { get; init; }

    public TimeSpan Duration { get; init; }

    public TimeSpan RestoreDuration { get; init; }

    public TimeSpan RecoverDuration { get; init; }

    public long RestoredBytes { get; init; }

    public long WalBytes { get; init; }

    public string? FailedPhase { get; init; }

    /// <summary>Why it failed, cut to 2,000 characters; null when it did not.</summary>
    public string? Message { get; init; }

    public static DrillHistoryEntry From(BackupDrillResult result)
    {
        TimeSpan Of(DrillPhaseName name) => result.Phases.FirstOrDefault(phase => phase.Name == name)?.Duration ?? TimeSpan.Zero;
        var message = result.FirstFailure?.Message;
        return new DrillHistoryEntry
        {
            StartTime = result.StartTime,
            BackupName = result.BackupName,
            BackupFinishTime = result.BackupFinishTime,
            SystemIdentifier = result.SystemIdentifier,
            Status = result.Status,
            Target = result.Target,
            ServerVersion = result.ServerVersion,
            Duration = result.Duration,
            RestoreDuration = Of(DrillPhaseName.Restore),
            RecoverDuration = Of(DrillPhaseName.Recover),
            RestoredBytes = result.RestoredBytes,
            WalBytes = result.WalBytes,
            FailedPhase = result.FirstFailure?.Name.ToString(),
            Message = message is { Length: > MaxMessageChars } ? message[..MaxMessageChars] : message,
        };
    }
}

/// <summary>
/// The drills of this machine, newest last, as JSON lines in a local file: the archive is never written to by a drill.
/// The file holds the newest thousand; it is replaced whole, so that no reader sees half of it.
/// </summary>
public sealed class DrillHistory(string path)
{
    /// <summary>Entries kept.</summary>
    public const int MaxEntries = 1000;

    private const int MaxBytes = 16 << 20;
    private static readonly TimeSpan LockLimit = TimeSpan.FromSeconds(10);

    /// <summary>Adds an entry; durable when it returns. The folder is made when missing.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.FileAccessDenied"/>, <see cref="ErrorCode.DiskFull"/>,
    /// <see cref="ErrorCode.DeadlineExceeded"/> when other drills hold the file too long.</exception>
    public async Task AppendAsync(DrillHistoryEntry entry, CancellationToken cancellationToken)
    {
        var full = Path.GetFullPath(path);
        var folder = Path.GetDirectoryName(full)!;
        var temporary = $"{full}.{Environment.ProcessId}.tmp";
        try
        {
            Directory.CreateDirectory(folder);
            using var turn = await LockAsync(full + ".lock", cancellationToken).ConfigureAwait(false);
            var lines = Lines(full).TakeLast(MaxEntries - 1).Append(Write(entry));
            File.Delete(temporary);
            using (var file = DurableFile.Create(temporary))
            {
                file.Write(Encoding.UTF8.GetBytes(string.Join('\n', lines) + "\n"));
                file.Flush(flushToDisk: true);
            }

            File.Move(temporary, full, overwrite: true);
            DurableFile.SyncFolder(folder);
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(failed, full);
        }
    }

    /// <summary>The entries, oldest first; a line that is none is passed over. Empty when there is no file.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.FileAccessDenied"/>, <see cref="ErrorCode.FileFailed"/>.</exception>
    public IReadOnlyList<DrillHistoryEntry> Read()
    {
        try
        {
            return [.. Lines(Path.GetFullPath(path)).Select(Parse).OfType<DrillHistoryEntry>().OrderBy(entry => entry.StartTime)];
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(failed, path);
        }
    }

    private static IEnumerable<string> Lines(string full)
    {
        if (!File.Exists(full))
        {
            return [];
        }

        return new FileInfo(full).Length <= MaxBytes
            ? File.ReadLines(full).Where(line => line.Length > 0).TakeLast(MaxEntries).ToList()
            : throw new IOException($"it is larger than {MaxBytes} bytes and cannot be a history of drills");
    }

    private static async Task<FileStream> LockAsync(string lockPath, CancellationToken cancellationToken)
    {
        using var limit = new Deadline(LockLimit, cancellationToken);
        while (true)
        {
            try
            {
                return new FileStream(lockPath, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (File.Exists(lockPath))
            {
                // Another drill is writing.
            }

            try
            {
                await Task.Delay(20, limit.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (limit.HasPassed)
            {
                throw new WalRusException(
                    ErrorCode.DeadlineExceeded, $"'{lockPath}' is held by another process.", "Look for a drill that hangs.");
            }
        }
    }

    private static string Write(DrillHistoryEntry entry)
    {
        var bytes = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            json.WriteString("startTime", entry.StartTime);
            json.WriteString("backup", entry.BackupName);
            if (entry.BackupFinishTime is { } finished)
            {
                json.WriteString("backupFinishTime", finished);
            }

            json.WriteString("systemIdentifier", entry.SystemIdentifier?.ToString(CultureInfo.InvariantCulture));
            json.WriteString("status", entry.Status.ToString());
            json.WriteString("target", entry.Target);
            json.WriteString("serverVersion", entry.ServerVersion);
            json.WriteNumber("seconds", entry.Duration.TotalSeconds);
            json.WriteNumber("restoreSeconds", entry.RestoreDuration.TotalSeconds);
            json.WriteNumber("recoverSeconds", entry.RecoverDuration.TotalSeconds);
            json.WriteNumber("restoredBytes", entry.RestoredBytes);
            json.WriteNumber("walBytes", entry.WalBytes);
            json.WriteString("failedPhase", entry.FailedPhase);
            json.WriteString("message", entry.Message);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }

    private static DrillHistoryEntry? Parse(string line)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            var json = document.RootElement;
            string? Text(string name) => json.TryGetProperty(name, out var value) ? value.GetString() : null;
            long Whole(string name) => json.TryGetProperty(name, out var value) ? value.GetInt64() : 0;
            TimeSpan Seconds(string name) => json.TryGetProperty(name, out var value) ? TimeSpan.FromSeconds(value.GetDouble()) : TimeSpan.Zero;
            return new DrillHistoryEntry
            {
                StartTime = json.GetProperty("startTime").GetDateTimeOffset(),
                BackupName = Text("backup") ?? "",
                BackupFinishTime = json.TryGetProperty("backupFinishTime", out var finished) ? finished.GetDateTimeOffset() : null,
                SystemIdentifier = ulong.TryParse(Text("systemIdentifier"), NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : null,
                Status = Enum.Parse<DrillOutcome>(Text("status") ?? ""),
                Target = Text("target") ?? "",
                ServerVersion = Text("serverVersion"),
                Duration = Seconds("seconds"),
                RestoreDuration = Seconds("restoreSeconds"),
                RecoverDuration = Seconds("recoverSeconds"),
                RestoredBytes = Whole("restoredBytes"),
                WalBytes = Whole("walBytes"),
                FailedPhase = Text("failedPhase"),
                Message = Text("message"),
            };
        }
        catch (Exception foreign) when (foreign is JsonException or InvalidOperationException or FormatException
            or ArgumentException or KeyNotFoundException or OverflowException)
        {
            return null;
        }
    }
}
