using System.Globalization;
using System.Text;

namespace WalRus.Protocol;

/// <summary>What to ask of BASE_BACKUP. Source: PostgreSQL's manual, "Streaming Replication Protocol".</summary>
internal sealed record BaseBackupOptions
{
    /// <summary>The server takes rates from here, in KiB a second ...</summary>
    private const long LeastRate = 32;

    /// <summary>... to here.</summary>
    private const long GreatestRate = 1 << 20;

    public const int FirstWithList = 150000;

    /// <summary>Kept in <c>backup_label</c>.</summary>
    public required string Label { get; init; }

    /// <summary>Bytes a second the server sends at most. It knows none below 32 KiB, and above 1 GiB a second it is not asked.</summary>
    public long? MaxRateBytesPerSecond { get; init; }

    /// <summary>The server checks each page's checksum while it reads it.</summary>
    public bool VerifyChecksums { get; init; }

    /// <summary>The server adds up the sizes of all files before it begins.</summary>
    public bool Progress { get; init; }

    /// <summary>False leaves out the checksums of files, never the manifest.</summary>
    public bool ManifestChecksums { get; init; } = true;

    /// <summary>Only what changed since the backup whose manifest was uploaded; PostgreSQL 17 and later.</summary>
    public bool Incremental { get; init; }

    /// <summary>
    /// The command in the words of the server's version. Always asked: a fast checkpoint, a tablespace map, a manifest;
    /// never: WAL, which is archived. The server waits until it is.
    /// </summary>
    /// <param name="version"><c>server_version_num</c>.</param>
    public string ToCommand(int version)
    {
        var isList = version >= FirstWithList;
        var options = new List<string>(8)
        {
            $"LABEL '{Label.Replace("'", "''", StringComparison.Ordinal)}'",
            isList ? "CHECKPOINT 'fast'" : "FAST",
            "TABLESPACE_MAP",
            "MANIFEST 'yes'",
            $"MANIFEST_CHECKSUMS '{(ManifestChecksums ? "CRC32C" : "NONE")}'",
        };
        if (MaxRateBytesPerSecond / 1024 is <= GreatestRate and { } rate)
        {
            options.Add(string.Create(CultureInfo.InvariantCulture, $"MAX_RATE {Math.Max(rate, LeastRate)}"));
        }

        if (Progress)
        {
            options.Add("PROGRESS");
        }

        if (!VerifyChecksums)
        {
            options.Add(isList ? "VERIFY_CHECKSUMS false" : "NOVERIFY_CHECKSUMS");
        }

        if (Incremental)
        {
            options.Add("INCREMENTAL");
        }

        return new StringBuilder("BASE_BACKUP ")
            .Append(isList ? "(" : "").AppendJoin(isList ? ", " : " ", options).Append(isList ? ")" : "").ToString();
    }
}
