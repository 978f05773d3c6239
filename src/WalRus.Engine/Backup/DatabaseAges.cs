using System.Collections.Concurrent;
using System.Globalization;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>
/// Tells a database that was made anew under an OID that another one had when the parent was made (an OID given by hand,
/// or come round again). CREATE DATABASE by file copy, the only way before PostgreSQL 15, leaves in each page the LSN it
/// has in the template: a page comparison would keep the dropped database's pages. A database's <c>PG_VERSION</c> is
/// written once, when it is made, so its time tells.
/// </summary>
internal sealed class DatabaseAges(string dataDirectory, ParentFiles parent, WalGTime parentStarted)
{
    private const string VersionFile = "PG_VERSION";

    /// <summary>Between the clock the parent's start was read from and this machine's.</summary>
    private const long ClockDifferenceSeconds = 600;

    /// <summary>Answers kept; there are few clusters with as many databases.</summary>
    private const int MaxKept = 10_000;

    private readonly ConcurrentDictionary<uint, bool> known = new();

    public bool IsReplaced(uint database)
    {
        if (!known.TryGetValue(database, out var isReplaced))
        {
            isReplaced = Find(database) is not { } file || !WasThere(file.Name, file.Facts);
            if (known.Count < MaxKept)
            {
                known[database] = isReplaced;
            }
        }

        return isReplaced;
    }

    /// <summary>
    /// The same file as in the parent, or one that is older than the parent: the data directory is another copy then (a
    /// standby, a restored server), and a copy made since the parent is taken whole once.
    /// </summary>
    private bool WasThere(string name, in FileFacts facts)
    {
        // A time is recorded off by one when the file was only just written then.
        var isRecorded = parent.TryFind(name, out var seconds, out var nanoseconds)
            && seconds == facts.ModifiedUnixSeconds && (nanoseconds | 1) == (facts.ModifiedNanoseconds | 1);
        return isRecorded || facts.ModifiedUnixSeconds < parentStarted.UnixSeconds - ClockDifferenceSeconds;
    }

    /// <summary>The database's PG_VERSION in its default tablespace, which may be any; null when it is gone.</summary>
    private (string Name, FileFacts Facts)? Find(uint database)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"/base/{database}/{VersionFile}");
        return TryLook(name, out var facts)
            ? (name, facts)
            : InTablespaces(database).Select(other => TryLook(other, out var its) ? (other, its) : ((string, FileFacts)?)null)
                .FirstOrDefault(found => found is not null);
    }

    private IEnumerable<string> InTablespaces(uint database)
    {
        var links = Path.Join(dataDirectory, "pg_tblspc");
        foreach (var link in Folders(links))
        {
            foreach (var version in Folders(link))
            {
                yield return string.Create(
                    CultureInfo.InvariantCulture,
                    $"/pg_tblspc/{Path.GetFileName(link)}/{Path.GetFileName(version)}/{database}/{VersionFile}");
            }
        }
    }

    private static string[] Folders(string path)
    {
        try
        {
            return Directory.GetDirectories(path);
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw DataFile.Translate(failure, path);
        }
    }

    private bool TryLook(string name, out FileFacts facts)
    {
        var path = Path.Join(dataDirectory, name);
        try
        {
            return FileFacts.TryOfPath(path, out facts);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw DataFile.Translate(failure, path);
        }
    }
}
