using System.Diagnostics;
using System.Management.Automation;
using WalRus.Streaming;
using WalRus.Transfer;

namespace WalRus.Cmdlets;

/// <summary>
/// <para type="synopsis">Stores local files as objects.</para>
/// </summary>
[Cmdlet(VerbsCommon.Set, "WalStorageItem", SupportsShouldProcess = true)]
[OutputType(typeof(PgStorageFile))]
public sealed class SetWalStorageItemCommand : WalRusCmdlet
{
    /// <summary>The files.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Alias("FullName", "PSPath", "LiteralPath")]
    [ValidateNotNullOrEmpty]
    public string[] Path { get; set; } = [];

    /// <summary>The object's key; with a '/' at its end the folder that files go to under their names.</summary>
    [Parameter(Mandatory = true, Position = 1)]
    [ValidateNotNullOrEmpty]
    public string Key { get; set; } = "";

    /// <summary>Do not encrypt.</summary>
    [Parameter]
    public SwitchParameter NoEncrypt { get; set; }

    /// <summary>Do not compress.</summary>
    [Parameter]
    public SwitchParameter NoCompress { get; set; }

    /// <summary>Replace an existing object.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        foreach (var path in Path)
        {
            var file = ResolvePath(path);
            var key = Key.EndsWith('/') ? Key + System.IO.Path.GetFileName(file) : Key;
            if (!ShouldProcess(file, $"Store it as {key}"))
            {
                continue;
            }

            var watch = Stopwatch.StartNew();
            if (TryRun(file, pump => StoreAsync(pump, file, key), out var item))
            {
                WriteObject(PgStorageFile.From(item!, file, watch.Elapsed));
            }
        }
    }

    private async Task<MovedItem> StoreAsync(PipelinePump pump, string file, string key)
    {
        var items = Engine(pump).CreateStorageItems();
        await using var content = Open(file);
        return await items.SetAsync(
            new StorageSetRequest
            {
                Content = content,
                Key = StorageItems.KeyOf(key),
                Encrypt = !NoEncrypt,
                Compress = !NoCompress,
                Overwrite = Force,
                Progress = pump,
            },
            StopToken).ConfigureAwait(false);
    }

    private static FileStream Open(string file)
    {
        try
        {
            return new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 0);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(failure, file);
        }
    }
}
