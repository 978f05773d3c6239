using System.Text;
using System.Text.Json;

namespace WalRus.WalG;

/// <summary>
/// The state of a <c>files_metadata.json</c> read in pieces: which object the next token belongs to, and what is known
/// of the entry it is part of.
/// </summary>
internal sealed class FilesMetadataParser(FilesMetadataSections wanted)
{
    /// <summary>More than a 1 GiB file has pages of the smallest size.</summary>
    private const int MostBlocks = 1 << 20;

    private static readonly string[] KnownKeys =
    [
        "IsIncremented", "IsSkipped", "MTime", "UpdatesCount", "CorruptBlocks", "CorruptBlocksCount", "SomeCorruptBlocks",
        "oid", "relfilenode", "subtables", "tables_new", "Files", "TarFileSets", "DatabasesByNames",
        FilesMetadataWriter.TarChecksumsKey,
    ];

    private readonly Stack<Place> places = new([Place.Document]);
    private JsonReaderState state = new(WalGJson.ReaderOptions);
    private bool isStarted;
    private int skipToDepth = -1;

    /// <summary>The last key: data where the keys are data, else a known key in its usual case, or "" for an unknown one.</summary>
    private string key = "";

    private FilesMetadataEntry file;
    private List<uint> blocks = [];
    private long? blockCount;
    private string tar = "";
    private bool hasMember;
    private string database = "";
    private DatabaseTable table;
    private DatabaseTable subtable;

    /// <summary>Which object or array the next token stands in.</summary>
    private enum Place
    {
        Document,
        Root,
        Files,
        File,
        Corrupt,
        Blocks,
        Tars,
        Members,
        Databases,
        Database,
        Tables,
        Table,
        Subtables,
        Subtable,
        Checksums,
    }

    /// <summary>What was found since this was last cleared.</summary>
    public List<FilesMetadataItem> Items { get; } = [];

    /// <summary>Takes as many whole tokens as there are.</summary>
    /// <returns>How many bytes were taken; the rest comes again with more behind it.</returns>
    /// <exception cref="JsonException">Not the document, or not all of it.</exception>
    public int Parse(ReadOnlySpan<byte> data, bool isFinal)
    {
        var start = 0;
        if (!isStarted)
        {
            if (data.Length <= Encoding.UTF8.Preamble.Length && !isFinal)
            {
                return 0;
            }

            start = data.StartsWith(Encoding.UTF8.Preamble) ? Encoding.UTF8.Preamble.Length : 0;
            isStarted = data.Length > start ? true : throw new JsonException("it is empty");
        }

        var reader = new Utf8JsonReader(data[start..], isFinal, state);
        while (reader.Read())
        {
            Take(ref reader);
        }

        state = reader.CurrentState;
        return start + (int)reader.BytesConsumed;
    }

    private void Take(ref Utf8JsonReader reader)
    {
        if (skipToDepth >= 0)
        {
            skipToDepth = reader.CurrentDepth > skipToDepth ? skipToDepth : -1;
            return;
        }

        switch (reader.TokenType)
        {
            case JsonTokenType.PropertyName:
                var isData = places.Peek() is Place.Files or Place.Tars or Place.Databases or Place.Tables or Place.Subtables
                    or Place.Checksums;
                key = isData ? reader.GetString() ?? "" : KnownKey(ref reader);
                break;
            case JsonTokenType.EndObject or JsonTokenType.EndArray:
                Leave(places.Pop());
                break;
            case JsonTokenType.StartObject or JsonTokenType.StartArray:
                Enter(ref reader);
                break;
            case JsonTokenType.Null:
                TakeNull();
                break;
            default:
                TakeScalar(ref reader);
                break;
        }
    }

    private static string KnownKey(ref Utf8JsonReader reader)
    {
        var name = reader.ValueSpan;
        foreach (var known in KnownKeys)
        {
            if (Ascii.EqualsIgnoreCase(name, known) && !reader.ValueIsEscaped)
            {
                return known;
            }
        }

        return "";
    }

    private void Enter(ref Utf8JsonReader reader)
    {
        Place? inner = (places.Peek(), reader.TokenType, key) switch
        {
            (Place.Document, JsonTokenType.StartObject, _) => Place.Root,
            (Place.Root, JsonTokenType.StartObject, "Files") => Wanted(FilesMetadataSections.Files, Place.Files),
            (Place.Root, JsonTokenType.StartObject, "TarFileSets") => Wanted(FilesMetadataSections.TarFileSets, Place.Tars),
            (Place.Root, JsonTokenType.StartObject, "DatabasesByNames") => Wanted(
                FilesMetadataSections.Databases, Place.Databases),
            (Place.Root, JsonTokenType.StartObject, FilesMetadataWriter.TarChecksumsKey) => Wanted(
                FilesMetadataSections.TarChecksums, Place.Checksums),
            (Place.Files, JsonTokenType.StartObject, _) => Place.File,
            (Place.File, JsonTokenType.StartObject, "CorruptBlocks") => Place.Corrupt,
            (Place.File, JsonTokenType.StartArray, "CorruptBlocks") => Place.Blocks,
            (Place.Corrupt, JsonTokenType.StartArray, "SomeCorruptBlocks") => Place.Blocks,
            (Place.Tars, JsonTokenType.StartArray, _) => Place.Members,
            (Place.Databases, JsonTokenType.StartObject, _) => Place.Database,
            (Place.Database, JsonTokenType.StartObject, "tables_new") => Place.Tables,
            (Place.Tables, JsonTokenType.StartObject, _) => Place.Table,
            (Place.Table, JsonTokenType.StartObject, "subtables") => Place.Subtables,
            (Place.Subtables, JsonTokenType.StartObject, _) => Place.Subtable,
            (Place.Root or Place.File or Place.Corrupt or Place.Database or Place.Table or Place.Subtable, _, "") => null,
            _ => throw Misplaced(ref reader),
        };
        if (inner is { } place)
        {
            places.Push(place);
            Begin(place);
        }
        else
        {
            skipToDepth = reader.CurrentDepth;
        }
    }

    private Place? Wanted(FilesMetadataSections section, Place place) => wanted.HasFlag(section) ? place : null;

    private void Begin(Place place)
    {
        switch (place)
        {
            case Place.File:
                file = new FilesMetadataEntry { Name = key };
                break;
            case Place.Corrupt:
                (blocks, blockCount) = ([], 0);
                break;
            case Place.Blocks:
                blocks = [];
                break;
            case Place.Members:
                (tar, hasMember) = (key, false);
                break;
            case Place.Database:
                database = key;
                break;
            case Place.Table:
                table = new DatabaseTable(database, key, null, 0, 0);
                break;
            case Place.Subtable:
                subtable = new DatabaseTable(database, key, table.Table, 0, 0);
                break;
        }
    }

    private void Leave(Place place)
    {
        switch (place)
        {
            case Place.File:
                Add(file);
                break;
            case Place.Corrupt:
                file = file with { CorruptBlocks = new CorruptBlocks(blockCount ?? 0, blocks) };
                blockCount = null;
                break;
            case Place.Blocks when blockCount is null:
                file = file with { CorruptBlocks = new CorruptBlocks(blocks.Count, blocks) };
                break;
            case Place.Members when !hasMember:
                Add(new TarMember(tar, null));
                break;
            case Place.Table:
                Add(table);
                break;
            case Place.Subtable:
                Add(subtable);
                break;
        }
    }

    /// <summary>Go leaves what is null as it was: an empty entry, an absent section.</summary>
    private void TakeNull()
    {
        switch (places.Peek())
        {
            case Place.Files:
                Add(new FilesMetadataEntry { Name = key });
                break;
            case Place.Tars:
                Add(new TarMember(key, null));
                break;
            case Place.Members or Place.Blocks:
                throw new JsonException($"a null stands in the list of '{(places.Peek() == Place.Members ? tar : file.Name)}'");
        }
    }

    private void TakeScalar(ref Utf8JsonReader reader)
    {
        switch (places.Peek())
        {
            case Place.File:
                TakeFileMember(ref reader);
                break;
            case Place.Corrupt when key == "CorruptBlocksCount":
                blockCount = WalGJson.Int64(ref reader, key);
                break;
            case Place.Blocks:
                TakeBlock(ref reader);
                break;
            case Place.Members:
                hasMember = true;
                Add(new TarMember(tar, WalGJson.Text(ref reader, tar)));
                break;
            case Place.Checksums:
                Add(new TarChecksum(key, WalGJson.UInt32(ref reader, key) ?? 0));
                break;
            case Place.Database when key == "oid":
                Add(new DatabaseTable(database, null, null, WalGJson.UInt32(ref reader, key) ?? 0, 0));
                break;
            case Place.Table:
                table = WithNumber(table, ref reader);
                break;
            case Place.Subtable:
                subtable = WithNumber(subtable, ref reader);
                break;
            case Place.Root or Place.Corrupt or Place.Database when key.Length == 0:
                break;
            default:
                throw Misplaced(ref reader);
        }
    }

    private void TakeFileMember(ref Utf8JsonReader reader)
    {
        switch (key)
        {
            case "IsIncremented":
                file = file with { IsIncremented = WalGJson.Boolean(ref reader, key) };
                break;
            case "IsSkipped":
                file = file with { IsSkipped = WalGJson.Boolean(ref reader, key) };
                break;
            case "MTime":
                file = file with { ModifiedTime = WalGJson.Time(ref reader, key) };
                break;
            case "UpdatesCount":
                file = file with { UpdatesCount = WalGJson.UInt64(ref reader, key) ?? 0 };
                break;
            case "CorruptBlocks":
                throw Misplaced(ref reader);
        }
    }

    private void TakeBlock(ref Utf8JsonReader reader)
    {
        if (blocks.Count == MostBlocks)
        {
            throw new JsonException($"'{file.Name}' has more corrupt blocks than a file has blocks");
        }

        blocks.Add(WalGJson.UInt32(ref reader, "SomeCorruptBlocks") ?? 0);
    }

    private DatabaseTable WithNumber(DatabaseTable relation, ref Utf8JsonReader reader) => key switch
    {
        "oid" => relation with { Oid = WalGJson.UInt32(ref reader, key) ?? 0 },
        "relfilenode" => relation with { FileNode = WalGJson.UInt32(ref reader, key) ?? 0 },
        "subtables" => throw Misplaced(ref reader),
        _ => relation,
    };

    private void Add(FilesMetadataEntry found) =>
        Items.Add(new FilesMetadataItem { Section = FilesMetadataSections.Files, File = found });

    private void Add(TarMember found) =>
        Items.Add(new FilesMetadataItem { Section = FilesMetadataSections.TarFileSets, TarMember = found });

    private void Add(TarChecksum found) =>
        Items.Add(new FilesMetadataItem { Section = FilesMetadataSections.TarChecksums, TarChecksum = found });

    private void Add(DatabaseTable found) =>
        Items.Add(new FilesMetadataItem { Section = FilesMetadataSections.Databases, Table = found });

    private JsonException Misplaced(ref Utf8JsonReader reader) =>
        new($"{reader.TokenType} is not what belongs under '{key}'");
}
