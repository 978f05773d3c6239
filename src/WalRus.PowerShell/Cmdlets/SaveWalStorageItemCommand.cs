using System.Diagnostics;
using System.Management.Automation;
using WalRus.Transfer;

namespace WalRus.Cmdlets;

/// <summary>
/// <para type="synopsis">Brings objects of the store to local files.</para>
/// </summary>
[Cmdlet(VerbsData.Save, "WalStorageItem", SupportsShouldProcess = true)]
[OutputType(typeof(PgStorageFile))]
public sealed class SaveWalStorageItemCommand : WalRusCmdlet
{
    /// <summary>The objects.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string[] Key { get; set; } = [];

    /// <summary>A file, or an existing folder.</summary>
    [Parameter(Mandatory = true, Position = 1)]
    [ValidateNotNullOrEmpty]
    public string Destination { get; set; } = "";

    /// <summary>Leave it encrypted.</summary>
    [Parameter]
    public SwitchParameter NoDecrypt { get; set; }

    /// <summary>Leave it compressed.</summary>
    [Parameter]
    public SwitchParameter NoDecompress { get; set; }

    /// <summary>Replace an existing file.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        var destination = ResolvePath(Destination);
        foreach (var key in Key.Where(key => ShouldProcess(destination, $"Save the object {key}")))
        {
            var watch = Stopwatch.StartNew();
            var saved = TryRun(
                key,
                pump => Engine(pump).CreateStorageItems().SaveAsync(
                    new StorageSaveRequest
                    {
                        Key = StorageItems.KeyOf(key),
                        Destination = destination,
                        Decrypt = !NoDecrypt,
                        Decompress = !NoDecompress,
                        Overwrite = Force,
                        Progress = pump,
                    },
                    StopToken),
                out var item);
            if (saved)
            {
                WriteObject(PgStorageFile.From(item!, item!.Path!, watch.Elapsed));
            }
        }
    }
}
