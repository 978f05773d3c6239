using WalRus.Streaming;

namespace WalRus.Encryption;

/// <summary>
/// Feeds a source into gpg and gives what it decrypts. gpg gives plaintext before it has verified the whole: so the end
/// comes only after gpg has said that the message was whole and unchanged.
/// </summary>
internal sealed class GpgDecryptingStream(Stream source, GpgKeyRing keys) : InputStream
{
    private readonly CancellationTokenSource abandoned = new();
    private readonly LiteralPacket literal = new();
    private StreamBuffer? output;
    private GpgProcess? gpg;
    private Task feeding = Task.CompletedTask;
    private StreamUse use;
    private int start;
    private int end;
    private bool finished;
    private bool failed;
    private int disposed;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        use.Enter(this);
        try
        {
            if (failed)
            {
                throw Failed("it could not be read before");
            }

            // Until the read has succeeded.
            failed = true;
            var read = await ReadPlainAsync(buffer, cancellationToken).ConfigureAwait(false);
            failed = false;
            return read;
        }
        catch (InvalidDataException foreign)
        {
            throw Failed(foreign.Message, foreign);
        }
        finally
        {
            if (use.Exit())
            {
                await ReleaseAsync().ConfigureAwait(false);
            }
        }
    }

    public override async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref disposed, 1) != 0)
        {
            return;
        }

        await abandoned.CancelAsync().ConfigureAwait(false);
        gpg?.Kill();
        if (use.Dispose())
        {
            await ReleaseAsync().ConfigureAwait(false);
        }

        await source.DisposeAsync().ConfigureAwait(false);
        GC.SuppressFinalize(this);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && Interlocked.Exchange(ref disposed, 1) == 0)
        {
            abandoned.Cancel();
            gpg?.Kill();
            if (use.Dispose())
            {
                _ = ReleaseAsync();
            }

            source.Dispose();
        }

        base.Dispose(disposing);
    }

    private static WalRusException Failed(string reason, Exception? inner = null) => new(
        ErrorCode.DecryptionFailed,
        $"The OpenPGP message cannot be decrypted: {reason}.",
        "Check that WALG_PGP_KEY and WALG_PGP_KEY_PASSPHRASE are those it was written for; otherwise use another copy of it.",
        inner);

    private async ValueTask<int> ReadPlainAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (gpg is null)
        {
            gpg = await keys.StartDecryptAsync(cancellationToken).ConfigureAwait(false);
            output = StreamBuffer.Rent();
            feeding = FeedAsync(gpg);
        }

        while (!buffer.IsEmpty && !finished)
        {
            if (start == end)
            {
                start = 0;
                end = await gpg.ReadAsync(output!.Memory, cancellationToken).ConfigureAwait(false);
                if (end == 0)
                {
                    await VerifyEndAsync(cancellationToken).ConfigureAwait(false);
                    finished = literal.IsWhole ? true : throw Failed("it holds no whole literal packet");
                    break;
                }
            }

            if (Take(buffer.Span) is var taken and > 0)
            {
                return taken;
            }
        }

        return 0;
    }

    private int Take(Span<byte> buffer)
    {
        ReadOnlySpan<byte> input = output!.GetSpan()[start..end];

        // Never more than fits, so that a piece of content is given whole.
        var piece = input.Length > buffer.Length ? input[..buffer.Length] : input;
        var offered = piece.Length;
        var content = literal.TakeContent(ref piece);
        content.CopyTo(buffer);
        start += offered - piece.Length;
        return content.Length;
    }

    private async Task FeedAsync(GpgProcess into)
    {
        // Not on the reader's thread: the first read of the source may be slow.
        await Task.Yield();
        var buffer = StreamBuffer.Rent();
        try
        {
            var packets = new OpenPgpPackets();
            if (!await TryWriteAsync(into, keys.PassphraseLine).ConfigureAwait(false))
            {
                return;
            }

            int read;
            while ((read = await source.ReadAsync(buffer.Memory, abandoned.Token).ConfigureAwait(false)) > 0)
            {
                Follow(packets, buffer.GetSpan()[..read]);
                if (!await TryWriteAsync(into, buffer.Memory[..read]).ConfigureAwait(false))
                {
                    return;
                }
            }

            into.CloseInput();
        }
        catch
        {
            // The source failed, or is no message: gpg must not take what came so far for all of it.
            into.Kill();
            throw;
        }
        finally
        {
            buffer.Release();
        }
    }

    /// <summary>gpg itself does not mind what follows a message.</summary>
    private static void Follow(OpenPgpPackets packets, ReadOnlySpan<byte> data)
    {
        var inMessage = packets.Tag == OpenPgpPackets.EncryptedDataTag;
        var before = packets.Count;
        try
        {
            while (packets.TryTakeBody(ref data, out _))
            {
                if (inMessage && packets.Count != before)
                {
                    throw Failed("another packet follows its end");
                }

                inMessage = packets.Tag == OpenPgpPackets.EncryptedDataTag;
                before = packets.Count;
            }
        }
        catch (InvalidDataException foreign)
        {
            throw Failed(foreign.Message, foreign);
        }
    }

    private async ValueTask<bool> TryWriteAsync(GpgProcess into, ReadOnlyMemory<byte> data)
    {
        try
        {
            await into.WriteAsync(data, abandoned.Token).ConfigureAwait(false);
            return true;
        }
        catch (IOException)
        {
            // gpg has ended; its exit code says why.
            return false;
        }
    }

    private async ValueTask VerifyEndAsync(CancellationToken cancellationToken)
    {
        using var killer = cancellationToken.UnsafeRegister(static state => ((CancellationTokenSource)state!).Cancel(), abandoned);
        try
        {
            await feeding.ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw;
        }

        var exitCode = await gpg!.WaitAsync(cancellationToken).ConfigureAwait(false);
        if (exitCode != 0 || !gpg.Report.Has("DECRYPTION_OKAY") || !gpg.Report.Has("GOODMDC"))
        {
            throw Failed(gpg.Report.Messages);
        }
    }

    private async Task ReleaseAsync()
    {
        gpg?.Kill();

        // Its failure was told or is of no interest, but nobody may read the source after this.
        await feeding.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        gpg?.Dispose();
        output?.Release();
        abandoned.Dispose();
    }
}
