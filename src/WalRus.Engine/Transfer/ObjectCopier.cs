using System.Security.Cryptography;
using WalRus.Storage;
using WalRus.Streaming;

namespace WalRus.Transfer;

/// <summary>
/// Brings single objects to a target and makes sure of them. An object appears there whole or not at all; one that is
/// there already is kept when it is equal, and never replaced unless that was asked for.
/// </summary>
/// <param name="source">Where objects are.</param>
/// <param name="target">Where they are to be.</param>
/// <param name="buffers">One working buffer an object under way.</param>
/// <param name="verification">How sure to be.</param>
internal sealed class ObjectCopier(
    IObjectStore source, IObjectStore target, NativeBufferPool buffers, CopyVerification verification)
{
    private const int BufferBytes = 128 * 1024;

    /// <summary>Replace what is there and differs.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Told of bytes as they are read from the source.</summary>
    public Action<ObjectKey, long>? Moved { get; init; }

    /// <param name="route">Which object.</param>
    /// <param name="trustSize">
    /// An object of the right size that is there already is taken for the same: where something else vouches for it.
    /// </param>
    /// <param name="cancellationToken">Stops it; the target then shows nothing of the object.</param>
    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.ObjectExists"/>: the target has another object there; <see cref="ErrorCode.ObjectCorrupt"/>: what
    /// arrived is not what was sent; <see cref="ErrorCode.ObjectNotFound"/>: the source has it no more.
    /// </exception>
    public async Task<CopiedObject> RunAsync(ObjectRoute route, bool trustSize, CancellationToken cancellationToken)
    {
        var there = await target.HeadAsync(route.To, cancellationToken).ConfigureAwait(false);
        if (there is not null)
        {
            if (await IsSameAsync(route, there, trustSize, cancellationToken).ConfigureAwait(false))
            {
                return new CopiedObject(route.To, there.SizeBytes, CopyOutcome.AlreadyThere);
            }

            if (!Overwrite)
            {
                throw new WalRusException(
                    ErrorCode.ObjectExists,
                    $"'{route.To}' is in {target.Location} already and is not the same as in {source.Location}.",
                    "Look which of the two is right; --force (-Force) replaces the target's.");
            }
        }

        return await TryServerAsync(route, cancellationToken).ConfigureAwait(false)
            ?? await CopyThroughAsync(route, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Whether the target's object is what the source's would become.</summary>
    public async Task<bool> IsSameAsync(
        ObjectRoute route, ObjectInfo there, bool trustSize, CancellationToken cancellationToken)
    {
        if (route.IsByteForByte)
        {
            var here = await source.HeadAsync(route.From, cancellationToken).ConfigureAwait(false) ?? throw Gone(route.From);
            if (here.SizeBytes != there.SizeBytes)
            {
                return false;
            }

            if (verification == CopyVerification.Size || (trustSize && verification != CopyVerification.Content))
            {
                return true;
            }

            if (verification == CopyVerification.Checksum && await TagsProveAsync(route, here, there, cancellationToken).ConfigureAwait(false))
            {
                return true;
            }
        }
        else if (trustSize && verification != CopyVerification.Content)
        {
            // The key is one that only the target's own codec gives.
            return true;
        }

        return await EqualAsync(route, cancellationToken).ConfigureAwait(false);
    }

    private static WalRusException Gone(ObjectKey key) => new(
        ErrorCode.ObjectNotFound, $"'{key}' is gone from the source: something deleted it meanwhile.", "Try again.");

    private static WalRusException NotAsSent(ObjectKey key, string difference) => new(
        ErrorCode.ObjectCorrupt,
        $"'{key}' did not arrive as it was sent: {difference}.",
        "Try again; if it repeats, do not trust the target's store.");

    /// <summary>
    /// Both stores made their checksums in the same way, or the source's bytes give the target's: the target need not be read.
    /// </summary>
    private async Task<bool> TagsProveAsync(
        ObjectRoute route, ObjectInfo here, ObjectInfo there, CancellationToken cancellationToken)
    {
        using var checksum = target.BeginChecksum();
        if (checksum is null)
        {
            return false;
        }

        using var alike = source.BeginChecksum();
        if (alike is not null && here.ETag is not null && here.ETag == there.ETag)
        {
            return true;
        }

        var content = await route.OpenSourceAsync(cancellationToken).ConfigureAwait(false);
        await using (content.ConfigureAwait(false))
        {
            using var buffer = await buffers.RentAsync(BufferBytes, cancellationToken).ConfigureAwait(false);
            int read;
            while ((read = await content.ReadAsync(buffer.Memory, cancellationToken).ConfigureAwait(false)) > 0)
            {
                checksum.Append(buffer.GetSpan()[..read]);
            }
        }

        return checksum.Proves(there);
    }

    private async Task<bool> EqualAsync(ObjectRoute route, CancellationToken cancellationToken)
    {
        var left = await route.OpenSourceAsync(cancellationToken).ConfigureAwait(false);
        await using var closeLeft = left.ConfigureAwait(false);
        var right = await route.OpenTargetAsync(cancellationToken).ConfigureAwait(false);
        await using var closeRight = right.ConfigureAwait(false);
        try
        {
            return await ContentComparison.EqualAsync(left, right, buffers, cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException damaged) when (!route.IsByteForByte
            && damaged.Code is ErrorCode.DecryptionFailed or ErrorCode.ObjectCorrupt)
        {
            // Encrypted with another key, or broken: not the same. That the source can be read is seen when it is copied.
            return false;
        }
    }

    private async Task<CopiedObject?> TryServerAsync(ObjectRoute route, CancellationToken cancellationToken)
    {
        if (!route.IsByteForByte || !target.Features.HasFlag(StoreFeatures.ServerSideCopy)
            || !await target.TryCopyFromAsync(source, route.From, route.To, cancellationToken).ConfigureAwait(false))
        {
            return null;
        }

        var here = await source.HeadAsync(route.From, cancellationToken).ConfigureAwait(false) ?? throw Gone(route.From);
        var there = await ArrivedAsync(route, here.SizeBytes, cancellationToken).ConfigureAwait(false);
        if (verification == CopyVerification.Content && !await EqualAsync(route, cancellationToken).ConfigureAwait(false))
        {
            throw NotAsSent(route.To, "its content differs");
        }

        Moved?.Invoke(route.From, there.SizeBytes);
        return new CopiedObject(route.To, there.SizeBytes, CopyOutcome.CopiedByServer);
    }

    private async Task<CopiedObject> CopyThroughAsync(ObjectRoute route, CancellationToken cancellationToken)
    {
        using var checksum = route.IsByteForByte && verification != CopyVerification.Content ? target.BeginChecksum() : null;
        using var hash = checksum is null && verification != CopyVerification.Size
            ? IncrementalHash.CreateHash(HashAlgorithmName.SHA256) : null;
        var length = await WriteAsync(route, checksum, hash, cancellationToken).ConfigureAwait(false);
        var there = await ArrivedAsync(route, route.IsByteForByte ? length : null, cancellationToken).ConfigureAwait(false);
        var isProven = verification == CopyVerification.Size || checksum?.Proves(there) == true || (hash is not null
            ? await ReadsBackAsync(route, hash, length, cancellationToken).ConfigureAwait(false)
            : await EqualAsync(route, cancellationToken).ConfigureAwait(false));
        if (!isProven)
        {
            // It is this copy's own, and in the way of the next try.
            await target.DeleteAsync([route.To], CancellationToken.None).ConfigureAwait(false);
            throw NotAsSent(route.To, "its content differs");
        }

        return new CopiedObject(route.To, there.SizeBytes, CopyOutcome.Copied);
    }

    /// <returns>How many bytes the source gave.</returns>
    private async Task<long> WriteAsync(
        ObjectRoute route, ObjectChecksum? checksum, IncrementalHash? hash, CancellationToken cancellationToken)
    {
        using var buffer = await buffers.RentAsync(BufferBytes, cancellationToken).ConfigureAwait(false);
        var content = await route.OpenSourceAsync(cancellationToken).ConfigureAwait(false);
        await using var closeContent = content.ConfigureAwait(false);
        var written = await route.OpenWriteAsync(cancellationToken).ConfigureAwait(false);
        await using var closeWritten = written.ConfigureAwait(false);
        long length = 0;
        int read;
        while ((read = await content.ReadAsync(buffer.Memory, cancellationToken).ConfigureAwait(false)) > 0)
        {
            checksum?.Append(buffer.GetSpan()[..read]);
            hash?.AppendData(buffer.GetSpan()[..read]);
            await written.WriteAsync(buffer.Memory[..read], cancellationToken).ConfigureAwait(false);
            length += read;
            Moved?.Invoke(route.From, read);
        }

        await written.CompleteAsync(cancellationToken).ConfigureAwait(false);
        return length;
    }

    private async Task<ObjectInfo> ArrivedAsync(ObjectRoute route, long? size, CancellationToken cancellationToken)
    {
        var there = await target.HeadAsync(route.To, cancellationToken).ConfigureAwait(false)
            ?? throw NotAsSent(route.To, "it is not there");
        return size is { } sent && there.SizeBytes != sent
            ? throw NotAsSent(route.To, FormattableString.Invariant($"it has {there.SizeBytes} bytes instead of {sent}")) : there;
    }

    private async Task<bool> ReadsBackAsync(
        ObjectRoute route, IncrementalHash sent, long length, CancellationToken cancellationToken)
    {
        using var buffer = await buffers.RentAsync(BufferBytes, cancellationToken).ConfigureAwait(false);
        using var arrived = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var content = await route.OpenTargetAsync(cancellationToken).ConfigureAwait(false);
        await using var closeContent = content.ConfigureAwait(false);
        int read;
        while ((read = await content.ReadAsync(buffer.Memory, cancellationToken).ConfigureAwait(false)) > 0)
        {
            arrived.AppendData(buffer.GetSpan()[..read]);
            length -= read;
        }

        return length == 0 && arrived.GetHashAndReset().AsSpan().SequenceEqual(sent.GetHashAndReset());
    }
}
