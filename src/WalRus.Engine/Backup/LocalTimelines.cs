using WalRus.Postgres;

namespace WalRus.Backup;

/// <summary>The timeline history that a server keeps in its pg_wal.</summary>
internal static class LocalTimelines
{
    private const int MaxFileBytes = 1 << 20;

    /// <returns>Null when the file is not there (it may have been removed since it was archived) or cannot be read.</returns>
    public static TimelineHistory? Read(string dataDirectory, TimelineId timeline)
    {
        if (timeline.Value == 1)
        {
            return TimelineHistory.WithoutPast(timeline);
        }

        try
        {
            var path = Path.Combine(dataDirectory, "pg_wal", timeline.HistoryFileName);
            return new FileInfo(path) is { Exists: true, Length: <= MaxFileBytes }
                ? TimelineHistory.Parse(timeline, File.ReadAllBytes(path))
                : null;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException
            || failure is WalRusException { Code: ErrorCode.ObjectCorrupt })
        {
            return null;
        }
    }
}
