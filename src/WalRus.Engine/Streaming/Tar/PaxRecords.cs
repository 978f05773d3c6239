using System.Globalization;
using System.Text;

namespace WalRus.Streaming.Tar;

/// <summary>
/// The records of a PAX extended header (POSIX.1-2001: "length key=value\n") that matter here. An empty value takes a
/// key back to what the plain header says.
/// </summary>
internal struct PaxRecords
{
    public string? Path { get; set; }

    public string? LinkPath { get; set; }

    public long? Size { get; private set; }

    public long? UserId { get; private set; }

    public long? GroupId { get; private set; }

    public long? ModifiedUnixSeconds { get; private set; }

    /// <summary>Adds the records of one extended header. What is wrong, or null.</summary>
    public string? TryAdd(ReadOnlySpan<byte> records)
    {
        while (!records.IsEmpty)
        {
            var space = records.IndexOf((byte)' ');
            if (space is < 1 or > 9
                || !int.TryParse(records[..space], NumberStyles.None, CultureInfo.InvariantCulture, out var length)
                || length <= space + 1 || length > records.Length || records[length - 1] != (byte)'\n')
            {
                return "an extended header is malformed";
            }

            var record = records[(space + 1)..(length - 1)];
            var equals = record.IndexOf((byte)'=');
            if (equals < 1)
            {
                return "an extended header is malformed";
            }

            if (Set(record[..equals], record[(equals + 1)..]) is { } problem)
            {
                return problem;
            }

            records = records[length..];
        }

        return null;
    }

    /// <summary>The header with these records, then those of the archive's global header, applied where they say something.</summary>
    public readonly TarEntry Apply(TarEntry header, in PaxRecords global) => header with
    {
        Name = Path ?? global.Path ?? header.Name,
        LinkName = LinkPath ?? global.LinkPath ?? header.LinkName,
        SizeBytes = header.Kind is TarEntryKind.File or TarEntryKind.Other
            ? Size ?? global.Size ?? header.SizeBytes
            : header.SizeBytes,
        UserId = UserId ?? global.UserId ?? header.UserId,
        GroupId = GroupId ?? global.GroupId ?? header.GroupId,
        ModifiedUnixSeconds = ModifiedUnixSeconds ?? global.ModifiedUnixSeconds ?? header.ModifiedUnixSeconds,
    };

    private string? Set(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        if (key.SequenceEqual("path"u8))
        {
            Path = Text(value);
        }
        else if (key.SequenceEqual("linkpath"u8))
        {
            LinkPath = Text(value);
        }
        else if (key.SequenceEqual("size"u8) || key.SequenceEqual("uid"u8) || key.SequenceEqual("gid"u8)
            || key.SequenceEqual("mtime"u8))
        {
            return SetNumber(key, value);
        }
        else if (key.StartsWith("GNU.sparse."u8))
        {
            // Its content is not the file's bytes one after the other: extracting it as such would be silent damage.
            return "it holds a sparse file, which no PostgreSQL backup does";
        }

        return null;
    }

    private string? SetNumber(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        long? number = null;
        if (!value.IsEmpty)
        {
            // Times have a fraction, which is dropped; sizes and ids are plain digits.
            var point = key[0] == (byte)'m' ? value.IndexOf((byte)'.') : -1;
            var style = key[0] == (byte)'m' ? NumberStyles.AllowLeadingSign : NumberStyles.None;
            if (!long.TryParse(point < 0 ? value : value[..point], style, CultureInfo.InvariantCulture, out var parsed))
            {
                return "a number in an extended header is malformed";
            }

            number = parsed;
        }

        switch (key[0])
        {
            case (byte)'s': Size = number; break;
            case (byte)'u': UserId = number; break;
            case (byte)'g': GroupId = number; break;
            default: ModifiedUnixSeconds = number; break;
        }

        return null;
    }

    private static string? Text(ReadOnlySpan<byte> value) => value.IsEmpty ? null : Encoding.UTF8.GetString(value);
}
