namespace WalRus.Retention;

/// <summary>
/// Which backups to keep, and how far back recovery to any moment must reach. A backup is kept when any rule keeps it.
/// <list type="bullet">
/// <item>Rules count backups that can be restored, deltas included, by the moment they ended. Permanent ones stay anyway
/// and use up no count.</item>
/// <item>Daily, weekly, monthly and yearly keep the newest backup of each of the last so many days (ISO weeks, months,
/// years) of <see cref="TimeZone"/> <em>that have one</em>: when backups stop, nothing is lost by time alone.</item>
/// <item>A day begins at 00:00 of the zone's own clock, a week on Monday. An age is exact: a backup that ended just that
/// long ago is still kept.</item>
/// <item>Deltas keep what they are based on.</item>
/// </list>
/// </summary>
public sealed record RetentionPolicy
{
    /// <summary>The newest so many.</summary>
    public int? Last { get; init; }

    /// <summary>All that ended within this time.</summary>
    public TimeSpan? For { get; init; }

    public int? Daily { get; init; }

    public int? Weekly { get; init; }

    public int? Monthly { get; init; }

    public int? Yearly { get; init; }

    /// <summary>So many stay whatever the other rules say, the newest first.</summary>
    public int MinimumCount { get; init; } = 1;

    /// <summary>
    /// How far back recovery to any moment must be possible: WAL older than that stays only where a backup needs it to be
    /// consistent. The newest backup that ended before the window begins is kept too, since recovery to its beginning
    /// starts there. Null: from every backup that is kept to any later moment, so all WAL since the oldest of them.
    /// </summary>
    public TimeSpan? PointInTimeWindow { get; init; }

    /// <summary>Whose days count.</summary>
    public TimeZoneInfo TimeZone { get; init; } = TimeZoneInfo.Utc;

    /// <exception cref="WalRusException"><see cref="ErrorCode.InvalidArgument"/>: it keeps nothing, or a value is out of range.</exception>
    public void Validate()
    {
        if (this is { Last: null, For: null, Daily: null, Weekly: null, Monthly: null, Yearly: null })
        {
            throw new WalRusException(
                ErrorCode.InvalidArgument,
                "The policy says of no backup that it stays.",
                "Say how many to keep: the last ones, by age, or daily, weekly, monthly, yearly.");
        }

        if (new[] { Last, Daily, Weekly, Monthly, Yearly }.Any(count => count < 0) || MinimumCount < 1
            || For < TimeSpan.Zero || PointInTimeWindow < TimeSpan.Zero)
        {
            throw new WalRusException(
                ErrorCode.InvalidArgument, "A policy's counts and times are not negative, and its minimum count is at least 1.");
        }
    }
}
