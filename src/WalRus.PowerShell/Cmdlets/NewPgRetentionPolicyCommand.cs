using System.Management.Automation;

namespace WalRus.Cmdlets;

/// <summary>Makes a retention policy.</summary>
[Cmdlet(VerbsCommon.New, "PgRetentionPolicy")]
[OutputType(typeof(PgRetentionPolicy))]
public sealed class NewPgRetentionPolicyCommand : PSCmdlet
{
    /// <summary>The newest so many backups.</summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int? KeepLast { get; set; }

    /// <summary>Backups that ended within this time.</summary>
    [Parameter]
    public TimeSpan? KeepFor { get; set; }

    /// <summary>The newest backup of each of so many days that have one.</summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int? KeepDaily { get; set; }

    /// <summary>The same of ISO weeks.</summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int? KeepWeekly { get; set; }

    /// <summary>The same of months.</summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int? KeepMonthly { get; set; }

    /// <summary>The same of years.</summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int? KeepYearly { get; set; }

    /// <summary>So many stay whatever the other rules say.</summary>
    [Parameter]
    [ValidateRange(1, int.MaxValue)]
    public int MinimumCount { get; set; } = 1;

    /// <summary>How far back recovery to any moment must reach.</summary>
    [Parameter]
    public TimeSpan? PointInTimeWindow { get; set; }

    /// <summary>Whose days count.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string TimeZone { get; set; } = TimeZoneInfo.Utc.Id;

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        var policy = new PgRetentionPolicy
        {
            KeepLast = KeepLast,
            KeepFor = KeepFor,
            KeepDaily = KeepDaily,
            KeepWeekly = KeepWeekly,
            KeepMonthly = KeepMonthly,
            KeepYearly = KeepYearly,
            MinimumCount = MinimumCount,
            PointInTimeWindow = PointInTimeWindow,
            TimeZone = TimeZone,
        };
        try
        {
            policy.ToPolicy();
        }
        catch (WalRusException wrong)
        {
            ThrowTerminatingError(EngineErrors.ToRecord(wrong, policy));
        }

        WriteObject(policy);
    }
}
