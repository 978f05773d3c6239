using System.Management.Automation;
using WalRus.Wal;

namespace WalRus.Cmdlets;

/// <summary>
/// <para type="synopsis">Archives WAL files.</para>
/// <para type="description">Push-WalSegment stores WAL segments, timeline history, backup history and partial files in the
/// archive. Each is reported as Uploaded or AlreadyArchived once it is durable.</para>
/// </summary>
[Cmdlet(VerbsCommon.Push, "WalSegment", SupportsShouldProcess = true)]
[OutputType(typeof(PgArchivedWal))]
public sealed class PushWalSegmentCommand : WalRusCmdlet
{
    /// <summary>The files, PostgreSQL's %p. Relative to the current location.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Alias("FullName", "PSPath", "LiteralPath")]
    [ValidateNotNullOrEmpty]
    public string[] Path { get; set; } = [];

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        foreach (var path in Path)
        {
            var file = ResolvePath(path);
            if (!ShouldProcess(file, "Archive the WAL file"))
            {
                continue;
            }

            var pushed = TryRun(
                file,
                pump => Engine(pump).CreateWalPush().RunAsync(
                    new WalPushRequest { Path = file, Progress = pump }, StopToken),
                out var result);
            if (pushed)
            {
                WriteObject(PgArchivedWal.From(result!));
            }
        }
    }
}
