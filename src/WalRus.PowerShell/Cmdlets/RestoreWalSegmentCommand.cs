using System.Management.Automation;
using WalRus.Wal;

namespace WalRus.Cmdlets;

/// <summary>
/// <para type="synopsis">Brings an archived WAL file back.</para>
/// <para type="description">Restore-WalSegment fetches a WAL file by name and puts it at the destination when it is whole,
/// checked and durable. A file the archive does not hold is the error WalSegmentNotFound.</para>
/// </summary>
[Cmdlet(VerbsData.Restore, "WalSegment", SupportsShouldProcess = true)]
[OutputType(typeof(PgRestoredWal))]
public sealed class RestoreWalSegmentCommand : WalRusCmdlet
{
    /// <summary>The file's name, PostgreSQL's %f.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string[] Name { get; set; } = [];

    /// <summary>Where it goes: a file, PostgreSQL's %p, or an existing folder.</summary>
    [Parameter(Mandatory = true, Position = 1, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string Destination { get; set; } = "";

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        var destination = ResolvePath(Destination);
        foreach (var name in Name)
        {
            var file = Directory.Exists(destination) ? Path.Combine(destination, name) : destination;
            if (!ShouldProcess(file, $"Restore the WAL file {name}"))
            {
                continue;
            }

            var restored = TryRun(
                name,
                pump => Engine(pump).CreateWalFetch().RunAsync(
                    new WalFetchRequest { Name = name, Destination = file, Progress = pump }, StopToken),
                out var result);
            if (restored)
            {
                WriteObject(PgRestoredWal.From(result!));
            }
        }
    }
}
