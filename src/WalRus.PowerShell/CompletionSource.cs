using System.Collections;
using System.Management.Automation;
using WalRus.Archiving;
using WalRus.Configuration;

namespace WalRus.Cmdlets;

/// <summary>What completers ask the archive: answered within a second or not at all, and never with an error.</summary>
internal static class CompletionSource
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    /// <summary>The archive's backups, newest first; none where settings, store or time are missing.</summary>
    /// <param name="bound">The parameters that the command line gives already.</param>
    public static IReadOnlyList<BackupDetail> Backups(IDictionary bound)
    {
        using var limit = new CancellationTokenSource(Patience);
        try
        {
            var settings = SettingsOf(bound);
            var search = Task.Run(() => FindAsync(settings, limit.Token), limit.Token);
            return search.Wait(Patience) ? search.GetAwaiter().GetResult() : [];
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
