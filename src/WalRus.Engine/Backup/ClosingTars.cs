using System.Text;
using WalRus.Postgres;
using WalRus.Streaming.Tar;

namespace WalRus.Backup;

/// <summary>The two tars that come after all others: without them a restored directory is no cluster that starts.</summary>
/// <param name="tars">The backup's.</param>
/// <param name="accounts">Names for the control file's owner.</param>
/// <param name="buffer">For one tar at a time.</param>
internal sealed class ClosingTars(BackupTars tars, UnixAccounts accounts, Memory<byte> buffer)
{
    private const int LabelMode = 0x180; // 0600

    /// <summary>Stores <c>pg_control.tar</c>; the control file is read after all other files.</summary>
    public async Task StoreControlFileAsync(ControlFileContent control, CancellationToken cancellationToken)
    {
        var facts = control.Facts;
        var entry = new TarEntry(
            DataDirectoryWalker.ControlFileName,
            TarEntryKind.File,
            control.Bytes.Length,
            facts.Mode,
            facts.UserId,
            facts.GroupId,
            facts.ModifiedRoundedUnixSeconds,
            "");
        var tar = await tars.OpenControlAsync(buffer, cancellationToken).ConfigureAwait(false);
        await using (tar.ConfigureAwait(false))
        {
            await tar.AddAsync(entry, accounts.Of(facts), control.Bytes, cancellationToken).ConfigureAwait(false);
            await tar.CompleteAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Stores <c>backup_label.tar</c>: the label and the map of tablespaces that the server gave at the end.</summary>
    public async Task StoreLabelAsync(BackupModeEnd end, CancellationToken cancellationToken)
    {
        var tar = await tars.OpenLabelAsync(buffer, cancellationToken).ConfigureAwait(false);
        await using (tar.ConfigureAwait(false))
        {
            (string Name, string Text)[] files =
                [(BackupLabel.FileName, end.Label), (TablespaceMap.FileName, end.TablespaceMap)];
            foreach (var (name, text) in files)
            {
                var content = Encoding.UTF8.GetBytes(text);
                var entry = new TarEntry(name, TarEntryKind.File, content.Length, LabelMode, 0, 0, 0, "");
                await tar.AddAsync(entry, TarOwner.None, content, cancellationToken).ConfigureAwait(false);
            }

            await tar.CompleteAsync(cancellationToken).ConfigureAwait(false);

            // wal-g's file set has them the other way round than its tar.
            tars.List(tar, TablespaceMap.FileName, BackupLabel.FileName);
        }
    }
}
