using System.Security.Cryptography;
using WalRus.Archiving;
using WalRus.Storage;

namespace WalRus.Configuration;

/// <summary>
/// Writes an object through the archive's own codec and encryption, reads it back, deletes it; compares the store's clock with
/// this machine's. The object's name is no WAL file's and no backup's, so other tools pass it over.
/// </summary>
internal sealed class StoreCheck(WalRusSettings settings, IEventLog log)
{
    private const int ProbeBytes = 64 << 10;

    /// <summary>S3 refuses requests that are signed 15 minutes off; recovery targets suffer from much less.</summary>
    private static readonly TimeSpan Noticeable = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Serious = TimeSpan.FromMinutes(5);

    private readonly List<CheckResult> results = [];

    public async Task<IReadOnlyList<CheckResult>> RunAsync(CancellationToken cancellationToken)
    {
        WalRusEngine engine;
        try
        {
            // Whoever checks is waiting: a store that is away is said in half a minute, not in ten.
            engine = WalRusEngine.Open(
                settings.WithFallback(SettingCatalog.StoreRetryLimit, "30s").WithFallback(SettingCatalog.S3MaxRetries, "3"), log);
        }
        catch (WalRusException failure)
        {
            return [CheckResult.Of(CheckArea.Store, "Open", failure)];
        }

        await using (engine.ConfigureAwait(false))
        {
            var name = $"walrus-probe-{Guid.NewGuid():N}";
            await ProbeAsync(engine.Archive, ObjectKey.Parse(name), cancellationToken).ConfigureAwait(false);
        }

        return [.. results.OrderBy(result => result.Area)];
    }

    private async Task ProbeAsync(Archive archive, ObjectKey key, CancellationToken cancellationToken)
    {
        var content = RandomNumberGenerator.GetBytes(ProbeBytes);
        ObjectKey? written = null;
        var before = DateTimeOffset.UtcNow;
        var wrote = await StepAsync("Write", async () =>
        {
            var writer = await archive.OpenWriteAsync(key, WriteCondition.None, cancellationToken).ConfigureAwait(false);
            await using (writer.ConfigureAwait(false))
            {
                written = writer.Key;
                await writer.WriteAsync(content, cancellationToken).ConfigureAwait(false);
                await writer.CompleteAsync(cancellationToken).ConfigureAwait(false);
            }

            return $"{archive.Store.Location} takes objects ({(archive.Codec.Extension.Length == 0 ? "not compressed" : archive.Codec.Extension)}, "
                + $"{(archive.Crypter is null ? "not encrypted" : "encrypted")}).";
        }).ConfigureAwait(false);
        var after = DateTimeOffset.UtcNow;
        if (!wrote || written is not { } probe)
        {
            return;
        }

        try
        {
            await StepAsync("Read", () => ReadAsync(archive, probe, content, cancellationToken)).ConfigureAwait(false);
            await ClockAsync(archive.Store, probe, before, after, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            // Also when cancelled: the probe is ours to remove, within the store's own deadline.
            await StepAsync("Delete", () => DeleteAsync(archive.Store, probe)).ConfigureAwait(false);
        }
    }

    private static async Task<string> ReadAsync(Archive archive, ObjectKey key, byte[] content, CancellationToken cancellationToken)
    {
        var source = await archive.OpenReadAsync(key, cancellationToken).ConfigureAwait(false);
        await using (source.ConfigureAwait(false))
        {
            using var read = new MemoryStream(ProbeBytes);
            await source.CopyToAsync(read, cancellationToken).ConfigureAwait(false);
            return read.GetBuffer().AsSpan(0, (int)read.Length).SequenceEqual(content)
                ? "What was written comes back, byte for byte."
                : throw new WalRusException(
                    ErrorCode.ObjectCorrupt, "What was written came back changed.", "Do not use this store: it does not keep what it is given.");
        }
    }

    private static async Task<string> DeleteAsync(IObjectStore store, ObjectKey key)
    {
        var deleted = await store.DeleteAsync([key], CancellationToken.None).ConfigureAwait(false);
        return deleted.Failed.Count == 0 ? "Objects can be deleted." : throw new WalRusException(
            ErrorCode.ObjectNotDeletable,
            $"'{key}' cannot be deleted: {deleted.Failed[0].Reason}",
            "Allow s3:DeleteObject where retention is to work; without it backups can be made and restored, not deleted.");
    }

    private async Task ClockAsync(
        IObjectStore store, ObjectKey key, DateTimeOffset before, DateTimeOffset after, CancellationToken cancellationToken)
    {
        try
        {
            var info = await store.HeadAsync(key, cancellationToken).ConfigureAwait(false);
            results.Add(info is null
                ? new CheckResult(CheckArea.Clock, "Store", CheckStatus.Skipped, "The probe was gone before its time was read.")
                : Compare("Store", "store's", info.LastModified, before, after));
        }
        catch (WalRusException failure)
        {
            results.Add(CheckResult.Of(CheckArea.Clock, "Store", failure));
        }
    }

    /// <summary>A clock read between two moments of this machine; stores give whole seconds.</summary>
    internal static CheckResult Compare(string name, string whose, DateTimeOffset read, DateTimeOffset before, DateTimeOffset after)
    {
        var skew = read < before.AddSeconds(-1) ? read - before : read > after.AddSeconds(1) ? read - after : TimeSpan.Zero;
        var status = skew.Duration() >= Serious ? CheckStatus.Failed : skew.Duration() >= Noticeable ? CheckStatus.Warning : CheckStatus.Passed;
        return new CheckResult(
            CheckArea.Clock,
            name,
            status,
            skew == TimeSpan.Zero ? $"The {whose} clock agrees with this machine's."
                : FormattableString.Invariant($"The {whose} clock is {skew.Duration().TotalSeconds:0.0} s {(skew > TimeSpan.Zero ? "ahead of" : "behind")} this machine's."),
            status == CheckStatus.Passed ? null : "Set this machine's clock by NTP (timedatectl set-ntp true; w32tm /resync).");
    }

    private async Task<bool> StepAsync(string name, Func<Task<string>> step)
    {
        try
        {
            results.Add(new CheckResult(CheckArea.Store, name, CheckStatus.Passed, await step().ConfigureAwait(false)));
            return true;
        }
        catch (WalRusException failure)
        {
            results.Add(CheckResult.Of(CheckArea.Store, name, failure));
            return false;
        }
    }
}
