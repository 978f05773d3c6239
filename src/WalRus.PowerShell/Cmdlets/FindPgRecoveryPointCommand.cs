using System.Management.Automation;
using WalRus.Backup;
using WalRus.Postgres;

namespace WalRus.Cmdlets;

/// <summary>Finds moments to recover to, in the backups and the archived WAL.</summary>
[Cmdlet(VerbsCommon.Find, "PgRecoveryPoint", DefaultParameterSetName = "Range")]
[OutputType(typeof(PgRecoveryPoint))]
public sealed class FindPgRecoveryPointCommand : WalRusCmdlet
{
    /// <summary>How many are nearest, unless -First says another number.</summary>
    private const int NearestCount = 20;

    /// <summary>The moments nearest to this time.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = "Around")]
    public DateTimeOffset Around { get; set; }

    /// <summary>How far from it they may lie, before and after.</summary>
    [Parameter(ParameterSetName = "Around")]
    public TimeSpan Window { get; set; } = TimeSpan.FromHours(1);

    /// <summary>Not before this time.</summary>
    [Parameter(ParameterSetName = "Range")]
    [Parameter(ParameterSetName = "Name")]
    public DateTimeOffset? From { get; set; }

    /// <summary>Not after this time.</summary>
    [Parameter(ParameterSetName = "Range")]
    [Parameter(ParameterSetName = "Name")]
    public DateTimeOffset? To { get; set; }

    /// <summary>Restore points of these names.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Name")]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    public string[] Name { get; set; } = [];

    /// <summary>The end of this transaction.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Xid")]
    public ulong Xid { get; set; }

    /// <summary>The moments nearest to this WAL position.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Lsn")]
    [ValidatePattern("^[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}$")]
    public string Lsn { get; set; } = "";

    /// <summary>Only these kinds.</summary>
    [Parameter(ParameterSetName = "Around")]
    [Parameter(ParameterSetName = "Range")]
    [Parameter(ParameterSetName = "Lsn")]
    [ValidateNotNullOrEmpty]
    public RecoveryPointType[]? Type { get; set; }

    /// <summary>Only on this timeline.</summary>
    [Parameter]
    [ValidateRange(1u, uint.MaxValue)]
    public uint? Timeline { get; set; }

    /// <summary>Only so many.</summary>
    [Parameter]
    [ValidateRange(1, int.MaxValue)]
    public int? First { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        var isNearest = ParameterSetName is "Around" or "Lsn";
        var request = Request(isNearest);
        var left = isNearest ? int.MaxValue : First ?? int.MaxValue;
        TryStream<RecoveryPoint>(
            null,
            pump => Engine(pump).CreateRecoveryPointSearch().RunAsync(request, StopToken),
            point =>
            {
                WriteObject(PgRecoveryPoint.From(point));
                return --left > 0;
            });
    }

    private RecoveryPointRequest Request(bool isNearest)
    {
        var names = Name.Select(name => WildcardPattern.Get(name, WildcardOptions.None)).ToArray();
        return new RecoveryPointRequest
        {
            Kinds = Kinds(),
            From = ParameterSetName == "Around" ? Around - Window : From,
            To = ParameterSetName == "Around" ? Around + Window : To,
            Around = ParameterSetName == "Around" ? Around : null,
            Name = names.Length == 0 ? null : name => Array.Exists(names, pattern => pattern.IsMatch(name)),
            Xid = ParameterSetName == "Xid" ? Xid : null,
            Lsn = ParameterSetName == "Lsn" ? Postgres.Lsn.Parse(Lsn) : null,
            Timeline = Timeline is { } number ? new TimelineId(number) : null,
            Nearest = isNearest ? First ?? NearestCount : null,
        };
    }

    /// <summary>Without any condition the named moments; a busy archive holds millions of commits.</summary>
    private RecoveryPointKinds Kinds()
    {
        if (Type is not null)
        {
            return Type.Aggregate(RecoveryPointKinds.None, (kinds, type) => kinds | Enum.Parse<RecoveryPointKinds>(type.ToString()));
        }

        return ParameterSetName switch
        {
            "Name" => RecoveryPointKinds.RestorePoint,
            "Xid" => RecoveryPointKinds.Commit | RecoveryPointKinds.Abort,
            "Range" when From is null && To is null => RecoveryPointKinds.Backup | RecoveryPointKinds.RestorePoint,
            _ => RecoveryPointKinds.All & ~RecoveryPointKinds.Abort,
        };
    }
}
