using System.Management.Automation;
using WalRus.Backup;

namespace WalRus.Cmdlets;

/// <summary>The kinds of moment that Find-PgRecoveryPoint finds.</summary>
public enum RecoveryPointType
{
    Backup,
    RestorePoint,
    Commit,
    Abort,
    SegmentEnd,
}

/// <summary>
/// A moment that a recovery can stop at, as Find-PgRecoveryPoint emits it; text where the engine has value types, for the
/// same reasons as <see cref="PgBackup"/>. Restore-PgBackup takes it from the pipeline.
/// </summary>
public sealed class PgRecoveryPoint
{
    /// <summary>Backup, RestorePoint, Commit, Abort or SegmentEnd.</summary>
    public required string Kind { get; init; }

    public uint Timeline { get; init; }

    /// <summary>The WAL position of the record; of a backup its end.</summary>
    public string Lsn { get; init; } = "";

    /// <summary>The first byte behind it: of a restore point what pg_create_restore_point returned.</summary>
    public string EndLsn { get; init; } = "";

    /// <summary>Of a segment's end the time of the last transaction before it.</summary>
    public DateTimeOffset? Time { get; init; }

    /// <summary>A restore point's, backup's or segment's name.</summary>
    public string? Name { get; init; }

    public uint? Xid { get; init; }

    /// <summary>The backup that a restore would start from; null when none leads there.</summary>
    public string? BackupName { get; init; }

    public bool IsReachable { get; init; }

    /// <summary>Why it cannot be reached; null when it can.</summary>
    public string? Obstacle { get; init; }

    /// <summary>What Restore-PgBackup's parameter of this name takes to stop just behind it; null for a backup's end.</summary>
    public string? TargetLsn { get; init; }

    public string TargetTimeline { get; init; } = "";

    /// <summary>True for a backup's end: stop as soon as that backup is consistent.</summary>
    public bool TargetImmediate { get; init; }

    /// <inheritdoc/>
    public override string ToString() =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{Kind} {(Xid is { } xid ? $"of {xid}" : $"'{Name}'")} at {Lsn}");

    internal static PgRecoveryPoint From(RecoveryPoint point) => new()
    {
        Kind = point.Kind.ToString(),
        Timeline = point.Timeline.Value,
        Lsn = point.Lsn.ToString(),
        EndLsn = point.EndLsn.ToString(),
        Time = point.Time,
        Name = point.Name,
        Xid = point.Xid,
        BackupName = point.Backup?.Name.ToString(),
        IsReachable = point.Backup is not null,
        Obstacle = point.Obstacle,
        TargetLsn = point.Kind == RecoveryPointKinds.Backup ? null : point.Lsn.ToString(),
        TargetTimeline = point.Timeline.ToString(),
        TargetImmediate = point.Kind == RecoveryPointKinds.Backup,
    };

    /// <summary>One that came as properties: from a job, a remote session or a file.</summary>
    internal static PgRecoveryPoint FromProperties(PSObject received)
    {
        T? Value<T>(string name) => received.Properties[name]?.Value is { } value
            ? (T)LanguagePrimitives.ConvertTo(value, typeof(T), System.Globalization.CultureInfo.InvariantCulture) : default;
        return new PgRecoveryPoint
        {
            Kind = Value<string>(nameof(Kind)) ?? "",
            Timeline = Value<uint>(nameof(Timeline)),
            Lsn = Value<string>(nameof(Lsn)) ?? "",
            EndLsn = Value<string>(nameof(EndLsn)) ?? "",
            Time = Value<DateTimeOffset?>(nameof(Time)),
            Name = Value<string>(nameof(Name)),
            BackupName = Value<string>(nameof(BackupName)),
            IsReachable = Value<bool>(nameof(IsReachable)),
            Obstacle = Value<string>(nameof(Obstacle)),
            TargetLsn = Value<string>(nameof(TargetLsn)),
            TargetTimeline = Value<string>(nameof(TargetTimeline)) ?? "",
            TargetImmediate = Value<bool>(nameof(TargetImmediate)),
        };
    }
}

/// <summary>
/// Takes a recovery point that came as properties (Start-Job, Invoke-Command, Import-Clixml), and a measured timeline as
/// the newest moment on it.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class ReceivedRecoveryPointAttribute : ArgumentTransformationAttribute
{
    /// <inheritdoc/>
    public override object? Transform(EngineIntrinsics engineIntrinsics, object? inputData)
    {
        try
        {
            return inputData is PSObject { BaseObject: PgRecovery } or PgRecovery
                || (inputData is PSObject received && IsReceived(received))
                ? PgRecoveryPoint.FromProperties(PSObject.AsPSObject(inputData)) : inputData;
        }
        catch (PSInvalidCastException failure)
        {
            throw new ArgumentTransformationMetadataException(failure.Message, failure);
        }
    }

    private static bool IsReceived(PSObject received) =>
        received.TypeNames.Contains("Deserialized." + typeof(PgRecoveryPoint).FullName)
        || received.TypeNames.Contains("Deserialized." + typeof(PgRecovery).FullName);
}
