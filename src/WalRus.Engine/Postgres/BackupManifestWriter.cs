using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace WalRus.Postgres;

/// <summary>
/// Writes a <c>backup_manifest</c> as PostgreSQL does, a line a file, nothing kept but the checksum. Use: begin, any
/// number of files, end. Source: PostgreSQL's manual, "Backup Manifest Format".
/// </summary>
internal sealed class BackupManifestWriter : IDisposable
{
    private readonly IBufferWriter<byte> target;
    private readonly IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private bool hasFile;

    public BackupManifestWriter(IBufferWriter<byte> target) => this.target = target;

    /// <summary>Begins the document.</summary>
    /// <param name="systemIdentifier">Null for version 1, before PostgreSQL 17.</param>
    public void Begin(ulong? systemIdentifier)
    {
        Put($"{{ \"{BackupManifestParser.VersionKey}\": {(systemIdentifier is null ? 1 : 2)},\n");
        if (systemIdentifier is { } known)
        {
            Put(string.Create(CultureInfo.InvariantCulture, $"\"{BackupManifestParser.SystemKey}\": {known},\n"));
        }

        Put($"\"{BackupManifestParser.FilesKey}\": [");
    }

    public void Add(in BackupManifestFile file)
    {
        var line = new StringBuilder(hasFile ? ",\n{ " : "\n{ ");
        hasFile = true;
        line.Append(file.IsEncoded ? "\"Encoded-Path\": " : "\"Path\": ").Append(Quoted(file.Path));
        line.Append(CultureInfo.InvariantCulture, $", \"Size\": {file.SizeBytes}");
        if (file.LastModified is { } modified)
        {
            line.Append(CultureInfo.InvariantCulture, $", \"Last-Modified\": {Quoted(modified)}");
        }

        if (file is { ChecksumAlgorithm: { } algorithm, Checksum: { } checksum })
        {
            line.Append(CultureInfo.InvariantCulture, $", \"Checksum-Algorithm\": {Quoted(algorithm)}, \"Checksum\": {Quoted(checksum)}");
        }

        Put(line.Append(" }").ToString());
    }

    public void End(IReadOnlyList<BackupManifestWalRange> ranges)
    {
        Put($"\n],\n\"{BackupManifestParser.RangesKey}\": [\n");
        for (var i = 0; i < ranges.Count; i++)
        {
            Put($"{(i > 0 ? ",\n" : "")}{{ \"Timeline\": {ranges[i].Timeline}, \"Start-LSN\": \"{ranges[i].Start}\", \"End-LSN\": \"{ranges[i].End}\" }}");
        }

        Put("\n],\n");
        var checksum = Convert.ToHexString(hash.GetHashAndReset()).ToLowerInvariant();
        target.Write(Encoding.ASCII.GetBytes($"\"{BackupManifestParser.ChecksumKey}\": \"{checksum}\"}}\n"));
    }

    public void Dispose() => hash.Dispose();

    private static string Quoted(string text) =>
        $"\"{JsonEncodedText.Encode(text, JavaScriptEncoder.UnsafeRelaxedJsonEscaping)}\"";

    private void Put(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        hash.AppendData(bytes);
        target.Write(bytes);
    }
}
