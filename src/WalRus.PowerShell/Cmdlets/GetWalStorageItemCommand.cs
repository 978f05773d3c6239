using System.Management.Automation;
using WalRus.Storage;
using WalRus.Transfer;

namespace WalRus.Cmdlets;

/// <summary>
/// <para type="synopsis">Lists the objects of the store.</para>
/// </summary>
[Cmdlet(VerbsCommon.Get, "WalStorageItem")]
[OutputType(typeof(PgStorageItem))]
public sealed class GetWalStorageItemCommand : WalRusCmdlet
{
    /// <summary>Folders or objects, with wildcards within each part.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Alias("Path")]
    [SupportsWildcards]
    [AllowEmptyString]
    public string[] Key { get; set; } = [""];

    /// <summary>Every object below, and no folders.</summary>
    [Parameter]
    public SwitchParameter Recurse { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        foreach (var key in Key)
        {
            var found = false;
            var succeeded = TryStream(key, pump => Find(Engine(pump).CreateStorageItems(), key), entry =>
            {
                found = true;
                WriteObject(PgStorageItem.From(entry));
                return true;
            });
            if (succeeded && !found && key.Trim('/').Length > 0 && !WildcardPattern.ContainsWildcardCharacters(key))
            {
                WriteError(EngineErrors.ToRecord(
                    new WalRusException(
                        ErrorCode.ObjectNotFound,
                        $"There is no object or folder '{key}'.",
                        "Get-WalStorageItem without a key shows the root."),
                    key));
            }
        }
    }

    private async IAsyncEnumerable<ListEntry> Find(StorageItems items, string key)
    {
        if (WildcardPattern.ContainsWildcardCharacters(key))
        {
            await foreach (var entry in items.GlobAsync(key, StopToken).ConfigureAwait(false))
            {
                if (!Recurse || !entry.IsFolder)
                {
                    yield return entry;
                    continue;
                }

                await foreach (var below in items.ListAsync(entry.Key.ToString(), true, StopToken).ConfigureAwait(false))
                {
                    yield return below;
                }
            }

            yield break;
        }

        if (!key.EndsWith('/') && key.Length > 0
            && await items.FindAsync(StorageItems.KeyOf(key), StopToken).ConfigureAwait(false) is { } one)
        {
            yield return new ListEntry(one.Key, false, one.SizeBytes, one.LastModified);
            yield break;
        }

        await foreach (var entry in items.ListAsync(key, Recurse, StopToken).ConfigureAwait(false))
        {
            yield return entry;
        }
    }
}
