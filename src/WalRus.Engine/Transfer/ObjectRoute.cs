using WalRus.Archiving;
using WalRus.Storage;
using WalRus.Streaming;
using WalRus.WalG;

namespace WalRus.Transfer;

/// <summary>The way of one object from a store to another: what is read here, written there, and read back.</summary>
internal abstract class ObjectRoute
{
    /// <summary>Its key at the source.</summary>
    public required ObjectKey From { get; init; }

    /// <summary>Its key at the target.</summary>
    public required ObjectKey To { get; init; }

    /// <summary>The object's bytes arrive as they are: sizes, checksums and the server's own copies say something of them.</summary>
    public virtual bool IsByteForByte => false;

    /// <summary>What is to arrive.</summary>
    public abstract ValueTask<Stream> OpenSourceAsync(CancellationToken cancellationToken);

    /// <summary>Begins writing it.</summary>
    public abstract ValueTask<OutputStream> OpenWriteAsync(CancellationToken cancellationToken);

    /// <summary>What has arrived, in the same form as <see cref="OpenSourceAsync"/>.</summary>
    public abstract ValueTask<Stream> OpenTargetAsync(CancellationToken cancellationToken);
}

/// <summary>An object's own bytes.</summary>
internal sealed class PlainRoute(IObjectStore source, IObjectStore target) : ObjectRoute
{
    public override bool IsByteForByte => true;

    public override ValueTask<Stream> OpenSourceAsync(CancellationToken cancellationToken) =>
        source.OpenReadAsync(From, null, cancellationToken);

    public override ValueTask<OutputStream> OpenWriteAsync(CancellationToken cancellationToken) =>
        target.OpenWriteAsync(To, WriteCondition.None, cancellationToken);

    public override ValueTask<Stream> OpenTargetAsync(CancellationToken cancellationToken) =>
        target.OpenReadAsync(To, null, cancellationToken);
}

/// <summary>A data object, decoded with the source's settings and encoded with the target's.</summary>
internal sealed class RecodedRoute(Archive source, Archive target) : ObjectRoute
{
    public override ValueTask<Stream> OpenSourceAsync(CancellationToken cancellationToken) =>
        source.OpenReadAsync(From, cancellationToken);

    public override async ValueTask<OutputStream> OpenWriteAsync(CancellationToken cancellationToken)
    {
        var store = await target.Store.OpenWriteAsync(To, WriteCondition.None, cancellationToken).ConfigureAwait(false);
        return ArchiveWriter.Create(To, store, target.Codec, target.Crypter);
    }

    public override ValueTask<Stream> OpenTargetAsync(CancellationToken cancellationToken) =>
        target.OpenReadAsync(To, cancellationToken);

    /// <summary>The key that an object has when the target's codec has encoded it.</summary>
    public static ObjectKey KeyAt(Archive source, Archive target, ObjectKey from)
    {
        var extension = source.CodecOf(from).Extension;
        var text = from.ToString();
        var bare = extension.Length == 0 ? text : text[..^(extension.Length + 1)];
        return WalGLayout.WithExtension(ObjectKey.Parse(bare), target.Codec.Extension);
    }
}

/// <summary>A document that names tars, which have other names at the target.</summary>
internal sealed class RenamedDocumentRoute(Archive source, Archive target) : ObjectRoute
{
    public override async ValueTask<Stream> OpenSourceAsync(CancellationToken cancellationToken) => new RenamedTarsStream(
        await source.Store.OpenReadAsync(From, null, cancellationToken).ConfigureAwait(false), Rename);

    public override ValueTask<OutputStream> OpenWriteAsync(CancellationToken cancellationToken) =>
        target.Store.OpenWriteAsync(To, WriteCondition.None, cancellationToken);

    public override ValueTask<Stream> OpenTargetAsync(CancellationToken cancellationToken) =>
        target.Store.OpenReadAsync(To, null, cancellationToken);

    private string Rename(string tar) =>
        ObjectKey.TryParse(tar, out var key) ? RecodedRoute.KeyAt(source, target, key).ToString() : tar;
}
