using System.Text;
using WalRus.Archiving;
using WalRus.Backup;
using WalRus.Streaming;

namespace WalRus.Reporting;

/// <summary>
/// Writes one self-contained HTML page about an archive: what can be recovered, what is missing, how backups grow, how
/// drills went. It needs no network and runs no script. The archive is only read.
/// </summary>
public sealed class BackupReport
{
    private readonly ReportReader reader;

    public BackupReport(Archive archive, BackupFetchOptions options, IEventLog log)
        : this(archive, options, TimeProvider.System, log)
    {
    }

    internal BackupReport(Archive archive, BackupFetchOptions options, TimeProvider time, IEventLog log) =>
        reader = new ReportReader(archive, options, time, log);

    /// <exception cref="WalRusException">What the store or a key says, or the file: <see cref="ErrorCode.FileNotFound"/>,
    /// <see cref="ErrorCode.FileAccessDenied"/>, <see cref="ErrorCode.DiskFull"/>. No part of a page is left.</exception>
    public async Task<BackupReportResult> RunAsync(BackupReportRequest request, CancellationToken cancellationToken)
    {
        var data = await reader.ReadAsync(request, cancellationToken).ConfigureAwait(false);
        var findings = ReportFindings.Of(data);
        Save(data, findings);
        return new BackupReportResult
        {
            Path = request.Path,
            Grade = findings.Max(finding => finding.Grade),
            Findings = findings,
            BackupCount = data.Backups.Count,
        };
    }

    private static void Save(ReportData data, IReadOnlyList<ReportFinding> findings)
    {
        var path = Path.GetFullPath(data.Request.Path);
        var temporary = $"{path}.{Environment.ProcessId}.walrus-tmp";
        try
        {
            File.Delete(temporary);
            using (var file = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write))
            {
                using (var text = new StreamWriter(file, new UTF8Encoding(false), 16 * 1024, leaveOpen: true))
                {
                    ReportPage.Write(text, data, findings);
                }

                file.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
            DurableFile.SyncFolder(Path.GetDirectoryName(path)!);
        }
        catch (Exception failed)
        {
            if (File.Exists(temporary))
            {
                File.Delete(temporary);
            }

            throw failed is IOException or UnauthorizedAccessException ? DurableFile.Translate(failed, path) : failed;
        }
    }
}
