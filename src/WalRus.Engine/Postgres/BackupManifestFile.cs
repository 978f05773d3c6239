namespace WalRus.Postgres;

/// <summary>One file of a backup manifest.</summary>
/// <param name="Path">Relative to the data directory; in hexadecimal digits when <paramref name="IsEncoded"/>.</param>
/// <param name="IsEncoded">True when the name is not UTF-8 (the manifest's "Encoded-Path").</param>
/// <param name="LastModified">As PostgreSQL writes it: "2026-11-27 10:01:28 GMT"; null when absent.</param>
/// <param name="ChecksumAlgorithm">"CRC32C", "SHA256" and so on; null when the file has no checksum.</param>
/// <param name="Checksum">Hexadecimal digits, null when the file has no checksum.</param>
public readonly record struct BackupManifestFile(
    string Path, bool IsEncoded, long SizeBytes, string? LastModified, string? ChecksumAlgorithm, string? Checksum);

/// <summary>WAL that must be replayed for the files of a manifest to be consistent.</summary>
/// <param name="Start">Where replay begins.</param>
/// <param name="End">What replay must reach.</param>
public readonly record struct BackupManifestWalRange(TimelineId Timeline, Lsn Start, Lsn End);
