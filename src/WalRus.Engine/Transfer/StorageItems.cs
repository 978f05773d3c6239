using System.Globalization;
using System.Runtime.CompilerServices;
using WalRus.Archiving;
using WalRus.Compression;
using WalRus.Storage;
using WalRus.Storage.FileSystem;
using WalRus.Streaming;
using WalRus.WalG;

namespace WalRus.Transfer;

/// <summary>The objects of a store one by one: listed, brought here, stored.</summary>
/// <param name="archive">The store, with the codec and key of what is encoded or decoded.</param>
/// <param name="buffers">One working buffer a transfer.</param>
/// <param name="log">Hears of what is left as it is.</param>
public sealed class StorageItems(Archive archive, NativeBufferPool buffers, IEventLog log)
{
    private const int BufferBytes = 128 * 1024;
    private const UnixFileMode FileMode640 = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead;

    /// <summary>The key that a user means: a slash at an end is nothing.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.InvalidArgument"/>: it could name something outside the store.</exception>
    public static ObjectKey KeyOf(string path) => ObjectKey.TryParse(path.Trim('/'), out var key) ? key : throw new WalRusException(
        ErrorCode.InvalidArgument,
        $"'{path}' cannot be an object's key.",
        "Keys are names joined by '/', without '.', '..', backslashes or control characters.");

    /// <summary>What is in a folder, in the order of keys: folders first, then objects; every object when recursive.</summary>
    /// <param name="folder">"" for the root.</param>
    /// <param name="recursive">Objects at any depth, and no folders.</param>
    /// <param name="cancellationToken">Stops the listing.</param>
    public async IAsyncEnumerable<ListEntry> ListAsync(
        string folder, bool recursive, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var request = RequestFor(folder, recursive);
        foreach (var folders in recursive ? [false] : new[] { true, false })
        {
            await foreach (var entry in OrderedListing
                .ListAsync(archive.Store, request, entry => entry.IsFolder == folders, cancellationToken).ConfigureAwait(false))
            {
                yield return entry;
            }
        }
    }

    /// <summary>The same entries in no order and in one pass: to count or to measure them.</summary>
    public IAsyncEnumerable<ListEntry> ListUnorderedAsync(string folder, bool recursive, CancellationToken cancellationToken) =>
        archive.Store.ListAsync(RequestFor(folder, recursive), cancellationToken);

    /// <summary>Objects and folders whose whole key matches a shell pattern, each segment for itself.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.InvalidArgument"/>: not a pattern.</exception>
    public IAsyncEnumerable<ListEntry> GlobAsync(string pattern, CancellationToken cancellationToken) =>
        GlobAsync("", pattern.Trim('/').Split('/'), 0, cancellationToken);

    /// <summary>An object's facts, or null.</summary>
    public ValueTask<ObjectInfo?> FindAsync(ObjectKey key, CancellationToken cancellationToken) =>
        archive.Store.HeadAsync(key, cancellationToken);

    /// <summary>An object's facts.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectNotFound"/>.</exception>
    public async Task<ObjectInfo> GetInfoAsync(ObjectKey key, CancellationToken cancellationToken) =>
        await archive.Store.HeadAsync(key, cancellationToken).ConfigureAwait(false) ?? throw new WalRusException(
            ErrorCode.ObjectNotFound, $"There is no '{key}' in {archive.Store.Location}.", "st ls (Get-WalStorageItem) shows what there is.");

    /// <summary>Opens an object's content.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectNotFound"/>; what decoding says.</exception>
    public async Task<Stream> OpenAsync(ObjectKey key, bool decrypt, bool decompress, CancellationToken cancellationToken)
    {
        var raw = await archive.Store.OpenReadAsync(key, null, cancellationToken).ConfigureAwait(false);
        if (WalGLayout.IsDocument(key))
        {
            return raw;
        }

        var codec = decompress ? CodecOf(key) : null;
        var decoder = decrypt ? archive : archive with { Crypter = null };
        return new NamedObjectStream(decoder.Decode(raw, codec ?? new NoneCodec()), key, decoder.Crypter is not null);
    }

    /// <summary>Brings an object to a local file, which appears whole, durable, and under its name at last.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.FileExists"/>, <see cref="ErrorCode.ObjectNotFound"/>, what decoding says.</exception>
    public async Task<MovedItem> SaveAsync(StorageSaveRequest request, CancellationToken cancellationToken)
    {
        var path = PathFor(request);
        var temporary = string.Create(
            CultureInfo.InvariantCulture, $"{path}.walrus-tmp-{Environment.ProcessId}-{Random.Shared.Next():x8}");
        try
        {
            long length;
            await using (var target = DurableFile.Create(temporary))
            {
                length = await SaveAsync(request, target, cancellationToken).ConfigureAwait(false);
                target.Flush(flushToDisk: true);
            }

            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(temporary, FileMode640);
            }

            Publish(temporary, path, request.Overwrite);
            DurableFile.SyncFolder(Path.GetDirectoryName(path)!);
            return new MovedItem(request.Key, path, length);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(failure, path);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    /// <summary>Stores content as an object, which appears when all of it is durable.</summary>
    /// <returns>The object's key with its extension, and the content's length.</returns>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectExists"/>.</exception>
    public async Task<MovedItem> SetAsync(StorageSetRequest request, CancellationToken cancellationToken)
    {
        var encoder = archive with
        {
            Codec = request.Compress ? archive.Codec : new NoneCodec(),
            Crypter = request.Encrypt ? archive.Crypter : null,
        };
        var condition = request.Overwrite ? WriteCondition.None : WriteCondition.IfAbsent;
        var key = WalGLayout.WithExtension(request.Key, encoder.Codec.Extension);
        try
        {
            var target = await encoder.OpenWriteAsync(request.Key, condition, cancellationToken).ConfigureAwait(false);
            await using (target.ConfigureAwait(false))
            {
                var length = await PumpAsync(request.Content, target, (key, request.Progress, "Storing"), cancellationToken).ConfigureAwait(false);
                await target.CompleteAsync(cancellationToken).ConfigureAwait(false);
                return new MovedItem(target.Key, null, length);
            }
        }
        catch (WalRusException taken) when (taken.Code == ErrorCode.ObjectExists)
        {
            throw new WalRusException(
                ErrorCode.ObjectExists,
                $"object {key} already exists. To overwrite it, add the -f flag",
                "--force and -Force replace it.",
                taken);
        }
    }

    /// <summary>Reads to the end and writes it on.</summary>
    /// <returns>How many bytes.</returns>
    public async Task<long> PumpAsync(
        Stream from, Stream to, (ObjectKey Key, IProgress<TransferProgress>? Listener, string Activity) progress, CancellationToken cancellationToken)
    {
        using var buffer = await buffers.RentAsync(BufferBytes, cancellationToken).ConfigureAwait(false);
        var report = new CopyProgress(progress.Listener, null, progress.Activity);
        long length = 0;
        int read;
        while ((read = await from.ReadAsync(buffer.Memory, cancellationToken).ConfigureAwait(false)) > 0)
        {
            await to.WriteAsync(buffer.Memory[..read], cancellationToken).ConfigureAwait(false);
            length += read;
            report.Add(progress.Key, read);
        }

        return length;
    }

    private static ListRequest RequestFor(string folder, bool recursive) =>
        new() { Folder = folder.Trim('/').Length == 0 ? "" : KeyOf(folder).ToString(), Recursive = recursive };

    private static string PathFor(StorageSaveRequest request)
    {
        var path = Path.GetFullPath(request.Destination);
        if (Directory.Exists(path))
        {
            // A key's last part is never ".." nor holds a separator; Windows has names of its own that lead elsewhere.
            path = Path.Join(path, OperatingSystem.IsWindows() ? WindowsNames.Checked(request.Key.Name) : request.Key.Name);
        }

        return !request.Overwrite && Path.Exists(path) ? throw Exists(path, null) : path;
    }

    private static void Publish(string temporary, string path, bool overwrite)
    {
        if (overwrite)
        {
            FilePublication.Replace(temporary, path);
        }
        else if (!FilePublication.TryCreate(temporary, path))
        {
            throw Exists(path, null);
        }
    }

    private static WalRusException Exists(string path, Exception? inner) => new(
        ErrorCode.FileExists, $"'{path}' exists already.", "Name another file; -Force replaces it.", inner);

    private async Task<long> SaveAsync(StorageSaveRequest request, FileStream target, CancellationToken cancellationToken)
    {
        var content = await OpenAsync(request.Key, request.Decrypt, request.Decompress, cancellationToken).ConfigureAwait(false);
        await using (content.ConfigureAwait(false))
        {
            return await PumpAsync(content, target, (request.Key, request.Progress, "Saving"), cancellationToken).ConfigureAwait(false);
        }
    }

    private Codec? CodecOf(ObjectKey key)
    {
        try
        {
            return archive.CodecOf(key);
        }
        catch (WalRusException unknown) when (unknown.Code == ErrorCode.CodecUnknown)
        {
            log.StorageItemAsIs(key.ToString());
            return null;
        }
    }

    private async IAsyncEnumerable<ListEntry> GlobAsync(
        string folder, string[] parts, int at, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var pattern = new ShellPattern(parts[at]);
        var isLast = at == parts.Length - 1;
        await foreach (var entry in ListAsync(folder, false, cancellationToken).ConfigureAwait(false))
        {
            if (!pattern.Matches(entry.Key.Name))
            {
                continue;
            }

            if (isLast)
            {
                yield return entry;
            }
            else if (entry.IsFolder)
            {
                await foreach (var below in GlobAsync(entry.Key.ToString(), parts, at + 1, cancellationToken).ConfigureAwait(false))
                {
                    yield return below;
                }
            }
        }
    }
}
