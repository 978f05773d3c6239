using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using WalRus.Archiving;
using WalRus.Configuration;

namespace WalRus.Cmdlets;

/// <summary>Completes backup names from the archive: within a second or not at all, and never with an error.</summary>
public sealed class BackupNameCompleter : IArgumentCompleter
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName,
        string parameterName,
        string wordToComplete,
        CommandAst commandAst,
        IDictionary fakeBoundParameters)
    {
        using var limit = new CancellationTokenSource(Patience);
        try
        {
            var settings = SettingsOf(fakeBoundParameters);
            var search = Task.Run(() => FindAsync(settings, limit.Token), limit.Token);
            return search.Wait(Patience)
                ? search.GetAwaiter().GetResult()
                    .Where(backup => backup.Name.ToString().StartsWith(wordToComplete, StringComparison.OrdinalIgnoreCase))
                    .Select(backup => new CompletionResult(
                        backup.Name.ToString(),
                        backup.Name.ToString(),
                        CompletionResultType.ParameterValue,
                        $"{backup.Modified.LocalDateTime:g}, {ByteText.Of(backup.UncompressedSize)}"))
                : [];
        }
        catch (Exception)
        {
            // Pressing Tab must never fail: no settings, no store, no backups all mean nothing to complete.
            return [];
        }
    }

    private static WalRusSettings SettingsOf(IDictionary bound)
    {
        var file = bound["ConfigFile"] as string;
        var given = bound["Configuration"] is PSObject wrapped ? wrapped.BaseObject : bound["Configuration"];
        var configuration = given as WalRusConfiguration ?? (file is null ? SessionDefault.Configuration : null);
        return SessionSettings.Load(
            file, bound["Setting"] as IDictionary, configuration, configuration is null ? null : SecretVault.Resolve(configuration));
    }

    private static async Task<IReadOnlyList<BackupDetail>> FindAsync(WalRusSettings settings, CancellationToken cancellationToken)
    {
        var engine = WalRusEngine.Open(settings, NullEventLog.Instance);
        await using (engine.ConfigureAwait(false))
        {
            var found = new List<BackupDetail>();
            await foreach (var entry in engine.Backups.ListAsync(cancellationToken).ConfigureAwait(false))
            {
                if (entry.Detail is not null)
                {
                    found.Add(entry.Detail);
                }
            }

            return [.. found.OrderByDescending(backup => backup.Modified)];
        }
    }
}
