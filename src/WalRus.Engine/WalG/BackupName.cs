using System.Diagnostics.CodeAnalysis;
using WalRus.Postgres;

namespace WalRus.WalG;

/// <summary>
/// A backup's name: "base_" and the WAL segment of its start; for a delta "_D_" and the parent's segment; read only:
/// WAL-E's "_XXXXXXXX" offset, and WAL-RUS's nested "_D_..._D_..." (never written: it breaks every wal-g delete).
/// </summary>
public readonly record struct BackupName : IComparable<BackupName>
{
    private const string Prefix = "base_";
    private const string DeltaMark = "_D_";

    private readonly string? value;

    private BackupName(string value, WalFileName segment, WalFileName? parent)
    {
        this.value = value;
        StartSegment = segment;
        ParentSegment = parent;
    }

    /// <summary>The segment that holds the start LSN.</summary>
    public WalFileName StartSegment { get; }

    /// <summary>For a delta the parent's start segment, else null.</summary>
    public WalFileName? ParentSegment { get; }

    [MemberNotNullWhen(true, nameof(ParentSegment))]
    public bool IsDelta => ParentSegment is not null;

    public static BackupName Full(WalFileName start) => new($"{Prefix}{start}", start, null);

    public static BackupName Delta(WalFileName start, BackupName parent) =>
        new($"{Prefix}{start}{DeltaMark}{parent.StartSegment}", start, parent.StartSegment);

    /// <exception cref="FormatException">Not a backup name.</exception>
    public static BackupName Parse(string text) => TryParse(text, out var name)
        ? name
        : throw new FormatException($"'{text}' is not a backup name such as base_000000010000000000000004.");

    public static bool TryParse([NotNullWhen(true)] string? text, out BackupName name)
    {
        name = default;
        if (text is null || !text.StartsWith(Prefix, StringComparison.Ordinal))
        {
            return false;
        }

        var rest = text.AsSpan(Prefix.Length);
        if (rest.Length < WalFileName.Length || !WalFileName.TryParse(rest[..WalFileName.Length], out var start))
        {
            return false;
        }

        rest = rest[WalFileName.Length..];
        WalFileName? parent = null;
        while (rest.StartsWith(DeltaMark, StringComparison.Ordinal))
        {
            rest = rest[DeltaMark.Length..];
            if (rest.Length < WalFileName.Length || !WalFileName.TryParse(rest[..WalFileName.Length], out var segment))
            {
                return false;
            }

            parent ??= segment;
            rest = rest[WalFileName.Length..];
        }

        if (!rest.IsEmpty && !(rest.Length == 9 && rest[0] == '_' && rest[1..].IndexOfAnyExcept("0123456789ABCDEF") < 0))
        {
            return false;
        }

        name = new BackupName(text, start, parent);
        return true;
    }

    public bool Equals(BackupName other) => string.Equals(value, other.value, StringComparison.Ordinal);

    public override int GetHashCode() => value?.GetHashCode(StringComparison.Ordinal) ?? 0;

    public int CompareTo(BackupName other) => string.CompareOrdinal(value, other.value);

    public override string ToString() => value ?? throw new InvalidOperationException("A BackupName must be parsed or made.");
}
