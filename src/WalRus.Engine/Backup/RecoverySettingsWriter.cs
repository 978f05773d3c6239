using System.Globalization;
using System.Text;
using WalRus.Streaming;

namespace WalRus.Backup;

/// <summary>
/// Recovery settings as PostgreSQL reads them: a pure part (what will be written, for -WhatIf) and the writing. Since
/// version 12 they stand in postgresql.auto.conf beside recovery.signal or standby.signal, before that in recovery.conf.
/// </summary>
public static class RecoverySettingsWriter
{
    /// <summary>The last version with recovery.conf is 11.</summary>
    private const int FirstVersionWithSignals = 120000;
    private const int MaxTargetNameBytes = 63;
    private const string AutoConfiguration = "postgresql.auto.conf";
    private const string LegacyConfiguration = "recovery.conf";
    private const string RecoverySignal = "recovery.signal";
    private const string StandbySignal = "standby.signal";

    /// <summary>
    /// Settings that the backed-up server may have had and that would steer this recovery, or act on the archive during
    /// it (archive_cleanup_command deletes WAL).
    /// </summary>
    private static readonly string[] Superseded =
        ["restore_command", "recovery_end_command", "archive_cleanup_command", "recovery_min_apply_delay"];

    /// <summary>The settings in the order they are written, values not quoted.</summary>
    /// <param name="settings">What was asked.</param>
    /// <param name="pgVersion"><c>server_version_num</c> of the backup; 0 when unknown counts as new.</param>
    /// <exception cref="WalRusException"><see cref="ErrorCode.RecoveryTargetInvalid"/>.</exception>
    public static IReadOnlyList<KeyValuePair<string, string>> Describe(RecoverySettings settings, int pgVersion)
    {
        Check(settings);
        var target = settings.Target;
        var lines = new List<KeyValuePair<string, string>>();
        void Add(string name, string? value)
        {
            if (value is not null)
            {
                lines.Add(new(name, value));
            }
        }

        Add("restore_command", settings.RestoreCommand);
        Add("recovery_target_name", target.Name);
        Add("recovery_target_time", target.Time is { } time ? TimeText(time) : null);
        Add("recovery_target_lsn", target.Lsn?.ToString());
        Add("recovery_target_xid", target.Xid?.ToString(CultureInfo.InvariantCulture));
        Add("recovery_target", target.Immediate ? "immediate" : null);
        if (HasStop(target))
        {
            // A name and "immediate" have no before and after.
            Add("recovery_target_inclusive", target.Inclusive || target.Name is not null || target.Immediate ? null : "off");
            Add("recovery_target_action", settings.Action.ToString().ToLowerInvariant());
        }

        // Written even though it is the default since 12: an older line in another file must not decide.
        Add("recovery_target_timeline", target.Timeline ?? "latest");
        Add("standby_mode", settings.Standby && IsLegacy(pgVersion) ? "on" : null);
        return lines;
    }

    /// <summary>A configuration file's text with the settings at its end and every older line for them commented out.</summary>
    public static string Amend(string existing, IReadOnlyList<KeyValuePair<string, string>> settings)
    {
        var text = new StringBuilder(existing.Length + 512);
        foreach (var line in existing.Split('\n'))
        {
            text.Append(IsSuperseded(line) ? "# superseded by walrus: " : "").Append(line).Append('\n');
        }

        // Split gives an empty piece after the last newline.
        text.Length -= existing.Length == 0 || existing.EndsWith('\n') ? 1 : 0;
        text.Append("# Recovery settings written by walrus\n");
        foreach (var (name, value) in settings)
        {
            text.Append(CultureInfo.InvariantCulture, $"{name} = {Quote(value)}\n");
        }

        return text.ToString();
    }

    /// <summary>A value as a configuration file holds it: in single quotes, quotes and backslashes doubled.</summary>
    public static string Quote(string value) =>
        $"'{value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "''", StringComparison.Ordinal)}'";

    /// <summary>Writes the settings and the signal file; nothing of it is synced here.</summary>
    /// <returns>What was written and which files are new or changed.</returns>
    internal static (IReadOnlyList<KeyValuePair<string, string>> Settings, IReadOnlyList<string> Files) Write(
        string dataDirectory, RecoverySettings settings, int pgVersion)
    {
        var lines = Describe(settings, pgVersion);
        var legacy = IsLegacy(pgVersion);
        var configuration = Path.Combine(dataDirectory, legacy ? LegacyConfiguration : AutoConfiguration);
        try
        {
            // recovery.conf is this recovery's alone; the other file holds what ALTER SYSTEM set.
            var existing = !legacy && File.Exists(configuration) ? File.ReadAllText(configuration) : "";
            File.WriteAllText(configuration, Amend(existing, lines));
            if (legacy)
            {
                return (lines, [configuration]);
            }

            var signal = Path.Combine(dataDirectory, settings.Standby ? StandbySignal : RecoverySignal);
            File.Delete(Path.Combine(dataDirectory, settings.Standby ? RecoverySignal : StandbySignal));
            File.WriteAllText(signal, "");
            return (lines, [configuration, signal]);
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(failed, configuration);
        }
    }

    private static bool IsLegacy(int pgVersion) => pgVersion is > 0 and < FirstVersionWithSignals;

    private static bool HasStop(RecoveryTarget target) =>
        target.Name is not null || target.Time is not null || target.Lsn is not null || target.Xid is not null || target.Immediate;

    /// <summary>PostgreSQL keeps microseconds; rounded down, so that no later commit slips in.</summary>
    private static string TimeText(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.ffffff", CultureInfo.InvariantCulture) + "+00";

    private static bool IsSuperseded(string line)
    {
        var name = line.AsSpan().TrimStart();
        var end = name.IndexOfAny(" \t=");
        name = end < 0 ? name : name[..end];
        return name.StartsWith("recovery_target", StringComparison.OrdinalIgnoreCase) || IsOneOf(name);
    }

    private static bool IsOneOf(ReadOnlySpan<char> name)
    {
        foreach (var candidate in Superseded)
        {
            if (name.Equals(candidate, StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        return false;
    }

    private static void Check(RecoverySettings settings)
    {
        RecoveryTargets.Check(settings.Target);
        if (settings.RestoreCommand.AsSpan().IndexOfAny('\n', '\r', '\0') >= 0 || string.IsNullOrWhiteSpace(settings.RestoreCommand))
        {
            throw new WalRusException(
                ErrorCode.InvalidArgument, "The restore command is empty or has more than one line.", "Give a command of one line.");
        }

        if (settings.Target.Name is { } name
            && (Encoding.UTF8.GetByteCount(name) > MaxTargetNameBytes || name.AsSpan().IndexOfAny('\n', '\r', '\0') >= 0))
        {
            throw new WalRusException(
                ErrorCode.RecoveryTargetInvalid,
                $"The restore point's name is longer than PostgreSQL's {MaxTargetNameBytes} bytes, or has a line break.");
        }
    }
}
