using System.Security.Cryptography;
using System.Text.Json;

namespace WalRus.Postgres;

/// <summary>
/// Reads PostgreSQL's <c>backup_manifest</c> in pieces of any size, in memory that does not grow with the number of its
/// files, and checks the checksum at its end. Source: PostgreSQL's manual, "Backup Manifest Format".
/// </summary>
internal sealed class BackupManifestParser : IDisposable
{
    public const string FileName = "backup_manifest";

    internal const string VersionKey = "PostgreSQL-Backup-Manifest-Version";
    internal const string SystemKey = "System-Identifier";
    internal const string FilesKey = "Files";
    internal const string RangesKey = "WAL-Ranges";
    internal const string ChecksumKey = "Manifest-Checksum";

    /// <summary>One name or value longer than this is no manifest of PostgreSQL's.</summary>
    private const int MaxTokenBytes = 64 * 1024;

    private const int RootDepth = 1;
    private const int ItemDepth = 2;

    private readonly IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly byte[] buffer = new byte[2 * MaxTokenBytes];
    private int filled;
    private JsonReaderState state;
    private string section = "";
    private string property = "";
    private BackupManifestFile file;
    private uint timeline;
    private Lsn rangeStart;
    private Lsn rangeEnd;
    private string? expectedChecksum;
    private string? actualChecksum;
    private bool isComplete;
    private byte lastByte;

    /// <summary>Called for each file, in the manifest's order.</summary>
    public Action<BackupManifestFile>? OnFile { get; init; }

    /// <summary>Called for each range, in the manifest's order.</summary>
    public Action<BackupManifestWalRange>? OnWalRange { get; init; }

    /// <summary>1 before PostgreSQL 17, then 2; 0 while not known.</summary>
    public int Version { get; private set; }

    /// <summary>Null before PostgreSQL 17.</summary>
    public ulong? SystemIdentifier { get; private set; }

    /// <summary>Takes the next piece.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectCorrupt"/>.</exception>
    public void Feed(ReadOnlySpan<byte> piece)
    {
        while (!piece.IsEmpty)
        {
            var count = Math.Min(piece.Length, buffer.Length - filled);
            if (count == 0)
            {
                throw Damaged("one of its values is too long");
            }

            piece[..count].CopyTo(buffer.AsSpan(filled));
            filled += count;
            lastByte = piece[count - 1];
            piece = piece[count..];
            Parse(isFinal: false);
        }
    }

    /// <summary>Ends the manifest: it is whole, and its checksum is right.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectCorrupt"/>.</exception>
    public void Complete()
    {
        Parse(isFinal: true);
        if (!isComplete || Version == 0 || lastByte != '\n')
        {
            throw Damaged("it is not whole");
        }

        if (expectedChecksum is null || expectedChecksum != actualChecksum)
        {
            throw Damaged("its checksum is not that of its content");
        }
    }

    public void Dispose() => hash.Dispose();

    private void Parse(bool isFinal)
    {
        try
        {
            var reader = new Utf8JsonReader(buffer.AsSpan(0, filled), isFinal, state);
            while (reader.Read())
            {
                Take(ref reader);
            }

            state = reader.CurrentState;
            var consumed = (int)reader.BytesConsumed;
            Hash(consumed);
            buffer.AsSpan(consumed, filled - consumed).CopyTo(buffer);
            filled -= consumed;
        }
        catch (Exception malformed) when (malformed is JsonException or FormatException or InvalidOperationException or OverflowException)
        {
            throw Damaged(malformed.Message);
        }
    }

    /// <summary>The checksum is of everything before the line that holds it.</summary>
    private void Hash(int count)
    {
        if (actualChecksum is null)
        {
            hash.AppendData(buffer, 0, count);
        }
    }

    private void Take(ref Utf8JsonReader reader)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.PropertyName when reader.CurrentDepth == RootDepth:
                section = reader.GetString()!;
                if (section == ChecksumKey && actualChecksum is null)
                {
                    Hash((int)reader.TokenStartIndex);
                    actualChecksum = Convert.ToHexString(hash.GetHashAndReset()).ToLowerInvariant();
                }

                break;
            case JsonTokenType.PropertyName:
                property = reader.GetString()!;
                break;
            case JsonTokenType.StartObject when reader.CurrentDepth == ItemDepth:
                (file, timeline, rangeStart, rangeEnd) = (new BackupManifestFile("", false, -1, null, null, null), 0, default, default);
                break;
            case JsonTokenType.EndObject when reader.CurrentDepth == ItemDepth:
                EndItem();
                break;
            case JsonTokenType.EndObject when reader.CurrentDepth == 0:
                isComplete = true;
                break;
            case JsonTokenType.Number or JsonTokenType.String when reader.CurrentDepth == RootDepth:
                TakeHeader(ref reader);
                break;
            case JsonTokenType.Number or JsonTokenType.String when reader.CurrentDepth == ItemDepth + 1:
                TakeMember(ref reader);
                break;
        }
    }

    private void TakeHeader(ref Utf8JsonReader reader)
    {
        switch (section)
        {
            case VersionKey:
                Version = reader.GetInt32();
                break;
            case SystemKey:
                SystemIdentifier = reader.GetUInt64();
                break;
            case ChecksumKey:
                expectedChecksum = reader.GetString();
                break;
        }
    }

    private void TakeMember(ref Utf8JsonReader reader)
    {
        switch (property)
        {
            case "Path":
                file = file with { Path = reader.GetString()! };
                break;
            case "Encoded-Path":
                file = file with { Path = reader.GetString()!, IsEncoded = true };
                break;
            case "Size":
                file = file with { SizeBytes = reader.GetInt64() };
                break;
            case "Last-Modified":
                file = file with { LastModified = reader.GetString() };
                break;
            case "Checksum-Algorithm":
                file = file with { ChecksumAlgorithm = reader.GetString() };
                break;
            case "Checksum":
                file = file with { Checksum = reader.GetString() };
                break;
            case "Timeline":
                timeline = reader.GetUInt32();
                break;
            case "Start-LSN":
                rangeStart = Lsn.Parse(reader.GetString()!);
                break;
            case "End-LSN":
                rangeEnd = Lsn.Parse(reader.GetString()!);
                break;
        }
    }

    private void EndItem()
    {
        if (section == FilesKey)
        {
            if (file.Path.Length == 0 || file.SizeBytes < 0)
            {
                throw new FormatException("a file without name or size");
            }

            OnFile?.Invoke(file);
        }
        else if (section == RangesKey)
        {
            OnWalRange?.Invoke(timeline > 0 && rangeEnd >= rangeStart
                ? new BackupManifestWalRange(new TimelineId(timeline), rangeStart, rangeEnd)
                : throw new FormatException("a WAL range that is none"));
        }
    }

    private static WalRusException Damaged(string why) => new(
        ErrorCode.ObjectCorrupt, $"The backup manifest is damaged: {why}.", "Make the backup again, or use another one.");
}
