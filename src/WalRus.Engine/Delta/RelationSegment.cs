using System.Globalization;

namespace WalRus.Delta;

/// <summary>
/// One file of a relation's main fork: "base/5/1259.2". Numbers are those of the path, which WAL records use too.
/// </summary>
/// <param name="Tablespace">1663 for <c>base</c>, 1664 for <c>global</c>, else the OID below <c>pg_tblspc</c>.</param>
/// <param name="Database">0 for a relation of <c>global</c>.</param>
/// <param name="FileNode">The relation's file number (relfilenode).</param>
/// <param name="Segment">Which of its files: 0 for the first, which has no suffix.</param>
public readonly record struct RelationSegment(uint Tablespace, uint Database, uint FileNode, uint Segment)
{
    /// <summary>OID of pg_default.</summary>
    public const uint DefaultTablespace = 1663;

    /// <summary>OID of pg_global.</summary>
    public const uint GlobalTablespace = 1664;

    /// <summary>Reads a path relative to the data directory, with or without a leading "/".</summary>
    /// <returns>False for everything but a main fork: other forks, temporary relations, other files.</returns>
    public static bool TryParse(ReadOnlySpan<char> path, out RelationSegment segment)
    {
        segment = default;
        if (path is ['/', ..])
        {
            path = path[1..];
        }

        Span<Range> parts = stackalloc Range[6];
        var count = path.Split(parts, '/');
        switch (count)
        {
            case 2 when path[parts[0]] is "global":
                return TryFile(path[parts[1]], GlobalTablespace, 0, out segment);
            case 3 when path[parts[0]] is "base" && TryNumber(path[parts[1]], out var database):
                return TryFile(path[parts[2]], DefaultTablespace, database, out segment);
            case 5 when path[parts[0]] is "pg_tblspc" && TryNumber(path[parts[1]], out var tablespace)
                && path[parts[2]].StartsWith("PG_") && TryNumber(path[parts[3]], out var itsDatabase):
                return TryFile(path[parts[4]], tablespace, itsDatabase, out segment);
            default:
                return false;
        }
    }

    private static bool TryFile(ReadOnlySpan<char> name, uint tablespace, uint database, out RelationSegment segment)
    {
        segment = default;
        var dot = name.IndexOf('.');
        uint number = 0;
        if (!TryNumber(dot < 0 ? name : name[..dot], out var node) || (dot >= 0 && !TryNumber(name[(dot + 1)..], out number)))
        {
            return false;
        }

        segment = new RelationSegment(tablespace, database, node, number);
        return true;
    }

    private static bool TryNumber(ReadOnlySpan<char> text, out uint number) =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}
