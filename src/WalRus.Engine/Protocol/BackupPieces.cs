using System.Text;
using WalRus.Streaming;

namespace WalRus.Protocol;

/// <summary>One of the streams that make up a base backup: a tar, or at the end the manifest.</summary>
/// <param name="Tablespace">The OID whose files the tar holds; null for the data directory's own, and for the manifest.</param>
internal sealed record BackupPiece(uint? Tablespace, bool IsManifest)
{
    public static BackupPiece Manifest { get; } = new(null, true);

    public override string ToString() =>
        IsManifest ? "backup_manifest" : FormattableString.Invariant($"{Tablespace?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "base"}.tar");
}

/// <summary>
/// Takes apart the one COPY of a base backup of PostgreSQL 15 and later, whose messages begin with a letter: a new
/// archive, data, progress, the manifest. Use: <see cref="NextAsync"/> until null, after each read <see cref="Content"/>.
/// Source: PostgreSQL's manual, "Streaming Replication Protocol", BASE_BACKUP.
/// </summary>
internal sealed class BackupPieces
{
    private const int MaxTextBytes = 64 * 1024;

    private readonly ICopyOut copy;
    private readonly byte[] one = new byte[1];
    private byte pending;
    private bool inPiece;
    private bool isEnded;

    public BackupPieces(ICopyOut copy)
    {
        this.copy = copy;
        Content = new PieceStream(this);
    }

    /// <summary>The current piece's bytes.</summary>
    public Stream Content { get; }

    /// <summary>Passes over what is left of the current piece and comes to the next; null at the end of the backup.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.PostgresProtocolViolation"/>.</exception>
    public async ValueTask<BackupPiece?> NextAsync(CancellationToken cancellationToken)
    {
        while (pending == 0 && !isEnded)
        {
            await AdvanceAsync(cancellationToken).ConfigureAwait(false);
        }

        if (pending == 0)
        {
            return null;
        }

        var isManifest = pending == 'm';
        var piece = isManifest ? BackupPiece.Manifest : await ReadArchiveAsync(cancellationToken).ConfigureAwait(false);
        pending = 0;
        inPiece = true;
        return piece;
    }

    /// <summary>Comes to the next message. True when it is data of the current piece.</summary>
    private async ValueTask<bool> AdvanceAsync(CancellationToken cancellationToken)
    {
        if (!await copy.NextAsync(cancellationToken).ConfigureAwait(false))
        {
            isEnded = true;
            return false;
        }

        if (await copy.ReadAsync(one, cancellationToken).ConfigureAwait(false) == 0)
        {
            throw Violation("an empty message");
        }

        switch (one[0])
        {
            case (byte)'d' when inPiece:
                return true;
            case (byte)'p':
                return false;
            case (byte)'n' or (byte)'m':
                pending = one[0];
                return false;
            default:
                throw Violation($"a message '{(char)one[0]}' where none is expected");
        }
    }

    /// <summary>"base.tar" or "16384.tar"; the path that follows is the tablespace's, which is known already.</summary>
    private async ValueTask<BackupPiece> ReadArchiveAsync(CancellationToken cancellationToken)
    {
        if (copy.Remaining > MaxTextBytes)
        {
            throw Violation($"an archive's name of {copy.Remaining} bytes");
        }

        var text = new byte[copy.Remaining];
        for (var filled = 0; filled < text.Length;)
        {
            var count = await copy.ReadAsync(text.AsMemory(filled), cancellationToken).ConfigureAwait(false);
            filled += count > 0 ? count : throw Violation("an archive's name that ends too early");
        }

        var end = Array.IndexOf(text, (byte)0);
        var name = end > 0 && text[^1] == 0 ? Encoding.UTF8.GetString(text, 0, end) : "";
        return name switch
        {
            "base.tar" => new BackupPiece(null, false),
            _ when name.EndsWith(".tar", StringComparison.Ordinal) && uint.TryParse(name.AsSpan(0, name.Length - 4), out var oid) =>
                new BackupPiece(oid, false),
            _ => throw Violation($"an archive called '{name}'"),
        };
    }

    private async ValueTask<int> ReadAsync(Memory<byte> destination, CancellationToken cancellationToken)
    {
        while (inPiece && !destination.IsEmpty)
        {
            var count = await copy.ReadAsync(destination, cancellationToken).ConfigureAwait(false);
            if (count > 0)
            {
                return count;
            }

            while (!await AdvanceAsync(cancellationToken).ConfigureAwait(false))
            {
                if (isEnded || pending != 0)
                {
                    inPiece = false;
                    return 0;
                }
            }
        }

        return 0;
    }

    private static WalRusException Violation(string what) => BodyReader.Violation($"its base backup holds {what}");

    private sealed class PieceStream(BackupPieces owner) : InputStream
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            owner.ReadAsync(buffer, cancellationToken);
    }
}
