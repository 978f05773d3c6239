using System.Management.Automation;
using WalRus.Configuration;
using WalRus.Postgres;
using WalRus.Verification;

namespace WalRus.Cmdlets;

/// <summary>Tests whether all WAL is archived or, with -Deep, whether every object of the archive can be read and is what it should be.</summary>
[Cmdlet(VerbsDiagnostic.Test, "WalArchive", DefaultParameterSetName = "Archive")]
[OutputType(typeof(PgArchiveCheck), typeof(PgArchiveFinding))]
public sealed class TestWalArchiveCommand : WalRusCmdlet
{
    /// <summary>The backup to begin from; with -Deep the one to examine.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Alias("Name")]
    [ArgumentCompleter(typeof(BackupNameCompleter))]
    [ValidateNotNullOrEmpty]
    public string? BackupName { get; set; }

    /// <summary>Ask the server of the settings where it is, instead of taking the archive's last segment.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Server")]
    public SwitchParameter FromServer { get; set; }

    /// <summary>The cluster's timeline.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Position")]
    [ValidateRange(1u, uint.MaxValue)]
    public uint Timeline { get; set; }

    /// <summary>The end of the cluster's WAL.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Position")]
    [ValidatePattern("^[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}$")]
    public string Lsn { get; set; } = "";

    /// <summary>Read every object to its end.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Deep")]
    public SwitchParameter Deep { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        if (Deep)
        {
            Examine();
        }
        else if (TryRun(BackupName, pump => VerifyAsync(Engine(pump)), out var result))
        {
            WriteObject(PgArchiveCheck.From(result!));
        }
    }

    private async Task<WalVerifyResult> VerifyAsync(WalRusEngine engine)
    {
        var position = ParameterSetName switch
        {
            "Server" => await engine.ReadServerPositionAsync(StopToken).ConfigureAwait(false),
            "Position" => new WalPosition(new TimelineId(Timeline), Postgres.Lsn.Parse(Lsn)),
            _ => null,
        };
        var request = new WalVerifyRequest { Integrity = true, Timeline = true, Position = position, BackupName = BackupName };
        return await engine.CreateWalVerify().RunAsync(request, StopToken).ConfigureAwait(false);
    }

    private void Examine()
    {
        ArchiveExamination? examination = null;
        var ended = TryStream<ArchiveFinding>(
            BackupName,
            pump =>
            {
                examination = Engine(pump).CreateArchiveExamination();
                return examination.RunAsync(new ExaminationRequest { BackupName = BackupName, Progress = StreamProgress }, StopToken);
            },
            finding =>
            {
                WriteObject(PgArchiveFinding.From(finding));
                return true;
            });
        if (ended && examination!.Summary is var read)
        {
            WriteVerbose($"Read {read.ObjectCount} objects, {ByteText.Of(read.StoredBytes)}: {read.SegmentCount} segments and {read.BackupCount} backups.");
        }
    }
}
