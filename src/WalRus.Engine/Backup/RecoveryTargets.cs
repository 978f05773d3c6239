using System.Globalization;
using WalRus.Postgres;

namespace WalRus.Backup;

/// <summary>What every use of a <see cref="RecoveryTarget"/> holds first.</summary>
internal static class RecoveryTargets
{
    public const string Latest = "latest";
    public const string Current = "current";

    /// <exception cref="WalRusException"><see cref="ErrorCode.RecoveryTargetInvalid"/>.</exception>
    public static void Check(RecoveryTarget target)
    {
        var kinds = new[]
        {
            target.Time is not null, target.Lsn is not null, target.Name is not null, target.Xid is not null, target.Immediate,
        };
        if (kinds.Count(given => given) > 1)
        {
            throw new WalRusException(
                ErrorCode.RecoveryTargetInvalid,
                "More than one recovery target is given.",
                "Give one of time, LSN, name, transaction id or immediate; PostgreSQL stops at one.");
        }

        if (target.Name is { Length: 0 })
        {
            throw new WalRusException(ErrorCode.RecoveryTargetInvalid, "The restore point's name is empty.");
        }

        if (target.Timeline is { } timeline && timeline is not (Latest or Current) && TimelineOf(timeline) is null)
        {
            throw new WalRusException(
                ErrorCode.RecoveryTargetInvalid,
                $"'{timeline}' is no timeline.",
                "Give 'latest', 'current' or a number from 1.");
        }
    }

    /// <summary>The timeline that a setting names by number (decimal, or hex with 0x, as PostgreSQL takes it); null for the words.</summary>
    public static TimelineId? TimelineOf(string? text)
    {
        if (text is null)
        {
            return null;
        }

        var isHex = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        var style = isHex ? NumberStyles.AllowHexSpecifier : NumberStyles.None;
        return uint.TryParse(isHex ? text.AsSpan(2) : text, style, CultureInfo.InvariantCulture, out var number) && number > 0
            ? new TimelineId(number)
            : null;
    }
}
