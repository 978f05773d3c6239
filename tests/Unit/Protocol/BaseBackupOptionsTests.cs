using WalRus.Protocol;

namespace WalRus.Tests.Protocol;

/// <summary>The words of BASE_BACKUP in both dialects.</summary>
public sealed class BaseBackupOptionsTests
{
    private static readonly BaseBackupOptions Plain = new() { Label = "it's a label" };

    private static readonly BaseBackupOptions Full = Plain with
    {
        MaxRateBytesPerSecond = 40_000, VerifyChecksums = true, Progress = true, ManifestChecksums = false,
    };

    [Theory]
    [InlineData(130000, "BASE_BACKUP LABEL 'it''s a label' FAST TABLESPACE_MAP MANIFEST 'yes' MANIFEST_CHECKSUMS 'CRC32C' NOVERIFY_CHECKSUMS")]
    [InlineData(149999, "BASE_BACKUP LABEL 'it''s a label' FAST TABLESPACE_MAP MANIFEST 'yes' MANIFEST_CHECKSUMS 'CRC32C' NOVERIFY_CHECKSUMS")]
    [InlineData(150000, "BASE_BACKUP (LABEL 'it''s a label', CHECKPOINT 'fast', TABLESPACE_MAP, MANIFEST 'yes', MANIFEST_CHECKSUMS 'CRC32C', VERIFY_CHECKSUMS false)")]
    public void Each_version_is_asked_in_its_own_words(int version, string command) =>
        Assert.Equal(command, Plain.ToCommand(version));

    [Theory]
    [InlineData(140000, "BASE_BACKUP LABEL 'it''s a label' FAST TABLESPACE_MAP MANIFEST 'yes' MANIFEST_CHECKSUMS 'NONE' MAX_RATE 39 PROGRESS")]
    [InlineData(180000, "BASE_BACKUP (LABEL 'it''s a label', CHECKPOINT 'fast', TABLESPACE_MAP, MANIFEST 'yes', MANIFEST_CHECKSUMS 'NONE', MAX_RATE 39, PROGRESS)")]
    public void Each_option_is_asked_for(int version, string command) => Assert.Equal(command, Full.ToCommand(version));

    [Theory]
    [InlineData(33 * 1024, ", MAX_RATE 33,")]
    [InlineData(1000, ", MAX_RATE 32,")]
    [InlineData(1L << 30, ", MAX_RATE 1048576,")]
    [InlineData((1L << 30) + 1024, null)]
    public void A_rate_is_asked_for_within_the_servers_bounds(long rate, string? asked)
    {
        var command = (Plain with { MaxRateBytesPerSecond = rate }).ToCommand(150000);
        Assert.Equal(asked is not null, command.Contains("MAX_RATE", StringComparison.Ordinal));
        Assert.Contains(asked ?? "", command, StringComparison.Ordinal);
    }
}
