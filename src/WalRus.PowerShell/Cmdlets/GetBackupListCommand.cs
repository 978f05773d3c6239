using System.Management.Automation;
using WalRus.Archiving;

namespace WalRus.Cmdlets;

/// <summary>
/// <para type="synopsis">Lists the backups of the archive, oldest first.</para>
/// <para type="description">Get-BackupList shows backups made by WalRus, wal-g or WAL-RUS. A sentinel that cannot be read is one
/// error; the others are still listed.</para>
/// </summary>
[Cmdlet(VerbsCommon.Get, "BackupList")]
[OutputType(typeof(PgBackup))]
public sealed class GetBackupListCommand : WalRusCmdlet
{
    /// <summary>Names, with wildcards.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(BackupNameCompleter))]
    public string[]? Name { get; set; }

    /// <summary>Only the newest of those.</summary>
    [Parameter]
    public SwitchParameter Latest { get; set; }

    /// <summary>Show every property by default.</summary>
    [Parameter]
    public SwitchParameter Detail { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        if (!TryRun(null, async pump =>
            {
                var entries = new List<BackupCatalogEntry>();
                await foreach (var entry in Engine(pump).Backups.ListAsync(StopToken).ConfigureAwait(false))
                {
                    entries.Add(entry);
                }

                return entries;
            },
            out var listed))
        {
            return;
        }

        foreach (var unreadable in listed!.Where(entry => entry.Error is not null && Matches(entry.Name.ToString())))
        {
            WriteError(EngineErrors.ToRecord(unreadable.Error!, unreadable.Name.ToString()));
        }

        var backups = listed!
            .Where(entry => entry.Detail is not null && Matches(entry.Name.ToString()))
            .Select(entry => entry.Detail!)
            .OrderBy(backup => backup.Modified).ThenBy(backup => backup.Name)
            .ToArray();
        foreach (var missing in (Name ?? []).Where(name => !WildcardPattern.ContainsWildcardCharacters(name)
            && !listed!.Any(entry => string.Equals(entry.Name.ToString(), name, StringComparison.OrdinalIgnoreCase))))
        {
            WriteError(EngineErrors.ToRecord(
                new WalRusException(ErrorCode.BackupNotFound, $"There is no backup '{missing}'.", "Get-BackupList shows those there are."),
                missing));
        }

        foreach (var backup in Latest ? backups.TakeLast(1) : backups)
        {
            var shown = PgBackup.From(backup);
            WriteObject(Detail ? Detailed(shown) : shown);
        }
    }

    private static PSObject Detailed(PgBackup backup)
    {
        var shown = new PSObject(backup);
        shown.TypeNames.Insert(0, typeof(PgBackup).FullName + "#Detail");
        return shown;
    }

    private bool Matches(string name) =>
        Name is null || Name.Any(pattern => WildcardPattern.Get(pattern, WildcardOptions.IgnoreCase).IsMatch(name));
}
