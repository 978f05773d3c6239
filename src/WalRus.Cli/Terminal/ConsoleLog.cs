using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace WalRus.Cli.Terminal;

/// <summary>
/// Log lines on standard error or in a file: wal-g's "INFO: 2024/05/01 10:00:00.123456 text", or one JSON object a line.
/// Each line is one write, so that lines of several processes do not mix.
/// </summary>
internal sealed class ConsoleLog : IEventLog, IDisposable
{
    private readonly object gate = new();
    private readonly Stream target;
    private readonly EventLevel minimum;
    private readonly bool json;
    private readonly TimeProvider time;

    /// <param name="target">Owned by this log.</param>
    /// <param name="minimum">The least level that is written.</param>
    /// <param name="json">JSON lines instead of text.</param>
    /// <param name="time">The clock; null for the system's.</param>
    public ConsoleLog(Stream target, EventLevel minimum, bool json, TimeProvider? time = null)
    {
        this.target = target;
        this.minimum = minimum;
        this.json = json;
        this.time = time ?? TimeProvider.System;
    }

    /// <summary>Clears what is not a log line (progress) from the terminal before a line is written; null for nothing.</summary>
    public Action? BeforeLine { get; set; }

    public bool IsEnabled(EventLevel level) => level >= minimum;

    public void Write(in LogEvent logEvent)
    {
        if (IsEnabled(logEvent.Level))
        {
            Write(logEvent, null, null);
        }
    }

    public void Info(string name, string message) => Write(new LogEvent(EventLevel.Info, name, message));

    public void Warning(string name, string message) => Write(new LogEvent(EventLevel.Warning, name, message));

    /// <summary>An error with its code and the operator's next step, which stands on a line of its own.</summary>
    public void Error(ErrorCode code, string message, string? hint) =>
        Write(new LogEvent(EventLevel.Error, code.ToString(), message), code, hint);

    public void Dispose() => target.Dispose();

    private static string Label(EventLevel level) => level switch
    {
        EventLevel.Debug => "DEBUG",
        EventLevel.Info => "INFO",
        EventLevel.Warning => "WARNING",
        _ => "ERROR",
    };

    private void Write(in LogEvent logEvent, ErrorCode? code, string? hint)
    {
        var line = json ? JsonLine(logEvent, code, hint) : TextLine(logEvent, hint);
        lock (gate)
        {
            BeforeLine?.Invoke();
            try
            {
                target.Write(line);
                target.Flush();
            }
            catch (IOException)
            {
                // A log that cannot be written (a closed pipe, a full disk) must not fail a backup.
            }
        }
    }

    private byte[] TextLine(in LogEvent logEvent, string? hint)
    {
        var stamp = time.GetLocalNow().ToString("yyyy/MM/dd HH:mm:ss.ffffff", CultureInfo.InvariantCulture);
        var text = $"{Label(logEvent.Level)}: {stamp} {logEvent.Message}\n";
        return Encoding.UTF8.GetBytes(hint is null ? text : $"{text}HINT: {stamp} {hint}\n");
    }

    private byte[] JsonLine(in LogEvent logEvent, ErrorCode? code, string? hint)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("time", time.GetUtcNow().UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture));
            writer.WriteString("level", Label(logEvent.Level).ToLowerInvariant());
            writer.WriteString("event", logEvent.Name);
            writer.WriteString("message", logEvent.Message);
            if (code is { } known)
            {
                writer.WriteString("code", known.ToString());
            }

            if (hint is not null)
            {
                writer.WriteString("hint", hint);
            }

            writer.WriteEndObject();
        }

        buffer.Write("\n"u8);
        return buffer.WrittenSpan.ToArray();
    }
}
