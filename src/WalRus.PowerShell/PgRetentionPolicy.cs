using WalRus.Retention;

namespace WalRus.Cmdlets;

/// <summary>
/// A retention policy as cmdlets take it: what New-PgRetentionPolicy makes, or a hashtable of the same names. The rules are
/// those of <see cref="RetentionPolicy"/>.
/// </summary>
public sealed class PgRetentionPolicy
{
    /// <summary>The newest so many backups.</summary>
    public int? KeepLast { get; set; }

    /// <summary>Backups that ended within this time.</summary>
    public TimeSpan? KeepFor { get; set; }

    /// <summary>The newest backup of each of so many days that have one.</summary>
    public int? KeepDaily { get; set; }

    /// <summary>The same of ISO weeks.</summary>
    public int? KeepWeekly { get; set; }

    /// <summary>The same of months.</summary>
    public int? KeepMonthly { get; set; }

    /// <summary>The same of years.</summary>
    public int? KeepYearly { get; set; }

    /// <summary>So many stay whatever the other rules say.</summary>
    public int MinimumCount { get; set; } = 1;

    /// <summary>How far back recovery to any moment must reach; from every backup that is kept, where it is not set.</summary>
    public TimeSpan? PointInTimeWindow { get; set; }

    /// <summary>Whose days count.</summary>
    public string TimeZone { get; set; } = TimeZoneInfo.Utc.Id;

    /// <inheritdoc/>
    public override string ToString() => string.Join(", ", Parts());

    /// <exception cref="WalRusException"><see cref="ErrorCode.InvalidArgument"/>: it keeps nothing, or names no time zone.</exception>
    internal RetentionPolicy ToPolicy()
    {
        var policy = new RetentionPolicy
        {
            Last = KeepLast,
            For = KeepFor,
            Daily = KeepDaily,
            Weekly = KeepWeekly,
            Monthly = KeepMonthly,
            Yearly = KeepYearly,
            MinimumCount = MinimumCount,
            PointInTimeWindow = PointInTimeWindow,
            TimeZone = Zone(),
        };
        policy.Validate();
        return policy;
    }

    private TimeZoneInfo Zone()
    {
        try
        {
            return TimeZoneInfo.FindSystemTimeZoneById(TimeZone);
        }
        catch (Exception unknown) when (unknown is TimeZoneNotFoundException or InvalidTimeZoneException)
        {
            throw new WalRusException(
                ErrorCode.InvalidArgument, $"There is no time zone '{TimeZone}' on this machine.", "Get-TimeZone -ListAvailable shows them.", unknown);
        }
    }

    private IEnumerable<string> Parts()
    {
        foreach (var (count, what) in new[]
        {
            (KeepLast, "last"), (KeepDaily, "daily"), (KeepWeekly, "weekly"), (KeepMonthly, "monthly"), (KeepYearly, "yearly"),
        })
        {
            if (count is { } some)
            {
                yield return FormattableString.Invariant($"{some} {what}");
            }
        }

        if (KeepFor is { } age)
        {
            yield return $"for {age}";
        }

        yield return FormattableString.Invariant($"at least {MinimumCount}");
        yield return PointInTimeWindow is { } window ? $"any moment of the last {window}" : "any moment since the oldest kept";
    }
}
