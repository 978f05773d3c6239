using System.Text;

namespace WalRus.Encryption;

/// <summary>The keys in a <see cref="GpgHome"/> of their own, imported when they are first needed.</summary>
internal sealed class GpgKeyRing(OpenPgpKey key) : IDisposable
{
    private const int LongestListBytes = 1024 * 1024;
    private readonly SemaphoreSlim gate = new(1, 1);
    private GpgHome? home;
    private string[] recipients = [];
    private volatile bool disposed;

    /// <summary>Starts an encryption to every key of the ring, as wal-g does.</summary>
    public async ValueTask<GpgProcess> StartEncryptAsync(CancellationToken cancellationToken)
    {
        var ready = await ReadyAsync(cancellationToken).ConfigureAwait(false);
        return GpgProcess.Start(ready.Path,
        [
            // What wal-g's library reads in every version: no AEAD, no compression, AES, an MDC.
            "--rfc4880", "--cipher-algo", "AES256", "--compress-algo", "none", "--no-encrypt-to", "--no-armor",
            .. recipients.SelectMany(fingerprint => new[] { "--recipient", fingerprint }),
            "--output", "-", "--encrypt",
        ]);
    }

    /// <summary>Starts a decryption whose output is the packet inside the encryption; its input begins with the passphrase's line.</summary>
    public async ValueTask<GpgProcess> StartDecryptAsync(CancellationToken cancellationToken)
    {
        if (!key.IsPrivate)
        {
            throw Invalid("There is no private key among the OpenPGP keys, so nothing can be decrypted.");
        }

        var ready = await ReadyAsync(cancellationToken).ConfigureAwait(false);
        string[] passphrase = key.PassphraseLine.IsEmpty ? [] : ["--passphrase-fd", "0"];
        return GpgProcess.Start(ready.Path, [.. passphrase, "--output", "-", "--unwrap", "--decrypt"]);
    }

    /// <summary>Where the keys are, once they were needed.</summary>
    public string? HomePath => home?.Path;

    public ReadOnlyMemory<byte> PassphraseLine => key.PassphraseLine;

    public void Dispose()
    {
        disposed = true;
        Interlocked.Exchange(ref home, null)?.Dispose();
        key.Dispose();
    }

    private static WalRusException Invalid(string message) => new(
        ErrorCode.EncryptionKeyInvalid, message, "Check WALG_PGP_KEY or the file of WALG_PGP_KEY_PATH.");

    private async ValueTask<GpgHome> ReadyAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (Volatile.Read(ref home) is { } ready)
        {
            return ready;
        }

        await gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            home ??= await ImportAsync(cancellationToken).ConfigureAwait(false);
            if (disposed)
            {
                // Disposed during the import, too early to see the folder.
                Dispose();
                throw new ObjectDisposedException(nameof(GpgKeyRing));
            }

            return home;
        }
        finally
        {
            gate.Release();
        }
    }

    private async Task<GpgHome> ImportAsync(CancellationToken cancellationToken)
    {
        var made = GpgHome.Create();
        try
        {
            if (key.IsPrivate)
            {
                await made.StartAgentAsync(cancellationToken).ConfigureAwait(false);
            }

            await RunAsync(made, key.Armor, ["--import"], "the OpenPGP keys cannot be imported", cancellationToken)
                .ConfigureAwait(false);
            var list = await RunAsync(
                made, default, ["--with-colons", "--list-keys"], "the OpenPGP keys cannot be listed", cancellationToken)
                .ConfigureAwait(false);
            recipients = PrimaryFingerprints(list);
            return recipients.Length > 0 ? made : throw Invalid("There is no key among the OpenPGP keys.");
        }
        catch
        {
            made.Dispose();
            throw;
        }
    }

    private static async Task<string> RunAsync(
        GpgHome home, ReadOnlyMemory<byte> input, string[] arguments, string failure, CancellationToken cancellationToken)
    {
        using var gpg = GpgProcess.Start(home.Path, arguments);
        try
        {
            await gpg.WriteAsync(input, cancellationToken).ConfigureAwait(false);
        }
        catch (IOException)
        {
            // It ended before it had read everything; the exit code says why.
        }

        gpg.CloseInput();
        var output = new MemoryStream();
        var buffer = new byte[4096];
        int read;
        while ((read = await gpg.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
        {
            output.Write(buffer, 0, read);
            if (output.Length > LongestListBytes)
            {
                throw Invalid("There are too many OpenPGP keys.");
            }
        }

        return await gpg.WaitAsync(cancellationToken).ConfigureAwait(false) == 0
            ? Encoding.UTF8.GetString(output.GetBuffer(), 0, (int)output.Length)
            : throw Invalid($"{char.ToUpperInvariant(failure[0])}{failure[1..]}: {gpg.Report.Messages}.");
    }

    /// <summary>In gpg's list a "pub" record is followed by the "fpr" record of the same key; subkeys have their own.</summary>
    private static string[] PrimaryFingerprints(string list)
    {
        var found = new List<string>();
        var wanted = false;
        foreach (var line in list.Split('\n'))
        {
            var fields = line.Split(':');
            wanted |= fields[0] == "pub";
            if (wanted && fields[0] == "fpr" && fields.Length > 9)
            {
                found.Add(fields[9]);
                wanted = false;
            }
        }

        return [.. found];
    }
}
