using System.Management.Automation;
using WalRus.Postgres;
using WalRus.Wal;

namespace WalRus.Cmdlets;

/// <summary>Archives the WAL that a server streams, until the pipeline is stopped or a position is reached.</summary>
[Cmdlet(VerbsCommunications.Receive, "WalSegment", SupportsShouldProcess = true, DefaultParameterSetName = "Receive")]
[OutputType(typeof(PgReceivedWal))]
public sealed class ReceiveWalSegmentCommand : WalRusCmdlet
{
    /// <summary>Holds what the store does not have yet.</summary>
    [Parameter(Position = 0, ParameterSetName = "Receive")]
    [Alias("Path", "PSPath")]
    [ValidateNotNullOrEmpty]
    public string? Folder { get; set; }

    /// <summary>The physical replication slot; made when it is not there.</summary>
    [Parameter]
    [ValidatePattern("^[0-9A-Za-z_]{1,63}$")]
    public string? SlotName { get; set; }

    /// <summary>Uses no slot.</summary>
    [Parameter(ParameterSetName = "Receive")]
    public SwitchParameter NoSlot { get; set; }

    /// <summary>Ends once everything before this position has been received.</summary>
    [Parameter(ParameterSetName = "Receive")]
    [ValidateNotNullOrEmpty]
    public string? EndLsn { get; set; }

    /// <summary>Begins at the server's current position although the archive ends before it.</summary>
    [Parameter(ParameterSetName = "Receive")]
    public SwitchParameter SkipGap { get; set; }

    /// <summary>Makes the slot and ends.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "CreateSlot")]
    public SwitchParameter CreateSlot { get; set; }

    /// <summary>Drops the slot and ends.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "DropSlot")]
    public SwitchParameter DropSlot { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        var slot = SlotName ?? "";
        if (CreateSlot)
        {
            ChangeSlot(slot, "Make the replication slot", receive => receive.CreateSlotAsync(StopToken));
        }
        else if (DropSlot)
        {
            ChangeSlot(slot, "Drop the replication slot", receive => receive.DropSlotAsync(StopToken));
        }
        else if (ShouldProcess("The server's WAL", SkipGap ? "Receive and archive, leaving a gap" : "Receive and archive"))
        {
            TryStream(
                Folder,
                pump => Create(pump).StreamAsync(
                    new WalReceiveRequest { EndPosition = EndPosition(), SkipGap = SkipGap }, StopToken),
                file =>
                {
                    WriteObject(PgReceivedWal.From(file));
                    return true;
                });
        }
    }

    private void ChangeSlot(string slot, string action, Func<WalReceive, Task<bool>> change)
    {
        if (ShouldProcess(slot.Length > 0 ? slot : "WALG_SLOTNAME's", action))
        {
            TryRun(slot, pump => change(Create(pump)), out _);
        }
    }

    private WalReceive Create(PipelinePump pump)
    {
        var engine = Engine(pump);
        var options = engine.WalReceiveOptions;
        return engine.CreateWalReceive(options with
        {
            Folder = Folder is null ? options.Folder : ResolvePath(Folder),
            SlotName = NoSlot ? null : SlotName ?? options.SlotName,
        });
    }

    private Lsn? EndPosition() => EndLsn is null ? null : Lsn.TryParse(EndLsn, out var position)
        ? position
        : throw new WalRusException(ErrorCode.InvalidArgument, $"-EndLsn is '{EndLsn}', which is no WAL position such as 0/3000000.");
}
