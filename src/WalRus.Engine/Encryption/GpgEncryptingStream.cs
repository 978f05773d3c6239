using WalRus.Streaming;

namespace WalRus.Encryption;

/// <summary>Writes into gpg, while what gpg gives goes to the destination.</summary>
internal sealed class GpgEncryptingStream(Stream destination, GpgKeyRing keys) : OutputStream
{
    private readonly CancellationTokenSource abandoned = new();
    private GpgProcess? gpg;
    private Task pumping = Task.CompletedTask;
    private bool unusable;
    private int disposed;

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        await BeginAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await gpg!.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (IOException)
        {
            throw await FailureAsync(cancellationToken).ConfigureAwait(false);
        }

        unusable = false;
    }

    public override async ValueTask CompleteAsync(CancellationToken cancellationToken)
    {
        await BeginAsync(cancellationToken).ConfigureAwait(false);
        using var killer = cancellationToken.UnsafeRegister(static state => ((CancellationTokenSource)state!).Cancel(), abandoned);
        gpg!.CloseInput();
        try
        {
            await pumping.ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw;
        }

        if (await gpg.WaitAsync(cancellationToken).ConfigureAwait(false) != 0 || !gpg.Report.Has("END_ENCRYPTION"))
        {
            throw EncryptionFailed();
        }
    }

    public override async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref disposed, 1) == 0)
        {
            await abandoned.CancelAsync().ConfigureAwait(false);
            gpg?.Kill();

            // Its failure is of no interest any more, but nobody may write to the destination after this.
            await pumping.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Release();
        }

        GC.SuppressFinalize(this);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && Interlocked.Exchange(ref disposed, 1) == 0)
        {
            abandoned.Cancel();
            gpg?.Kill();
            pumping.ContinueWith(
                _ => Release(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }

        base.Dispose(disposing);
    }

    private async ValueTask BeginAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(disposed != 0, this);
        if (unusable)
        {
            throw new InvalidOperationException("The encrypted stream was completed or failed; it can only be disposed.");
        }

        // Until a write has succeeded: a half-written stream must never be completed, a completed one never go on.
        unusable = true;
        if (gpg is null)
        {
            gpg = await keys.StartEncryptAsync(cancellationToken).ConfigureAwait(false);
            pumping = PumpAsync(gpg);
        }
    }

    private async Task PumpAsync(GpgProcess from)
    {
        var buffer = StreamBuffer.Rent();
        try
        {
            int read;
            while ((read = await from.ReadAsync(buffer.Memory, abandoned.Token).ConfigureAwait(false)) > 0)
            {
                await destination.WriteAsync(buffer.Memory[..read], abandoned.Token).ConfigureAwait(false);
            }
        }
        catch
        {
            // A destination that takes no more: end gpg, or the writer would wait for ever.
            from.Kill();
            throw;
        }
        finally
        {
            buffer.Release();
        }
    }

    /// <summary>gpg takes no more: since the destination failed, or by itself.</summary>
    private async ValueTask<Exception> FailureAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await pumping.ConfigureAwait(false);
        await gpg!.WaitAsync(cancellationToken).ConfigureAwait(false);
        return EncryptionFailed();
    }

    private WalRusException EncryptionFailed() => gpg!.Report.Has("INV_RECP")
        ? new WalRusException(
            ErrorCode.EncryptionKeyInvalid,
            $"An OpenPGP key cannot be encrypted to: {gpg.Report.Messages}.",
            "Check that no key of WALG_PGP_KEY is expired, revoked or without an encryption subkey.")
        : new WalRusException(
            ErrorCode.Unexpected, $"gpg could not encrypt: {gpg.Report.Messages}.", "Check that gpg works for this user.");

    private void Release()
    {
        gpg?.Dispose();
        abandoned.Dispose();
    }
}
