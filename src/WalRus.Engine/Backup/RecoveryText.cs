using System.Globalization;
using WalRus.Postgres;

namespace WalRus.Backup;

/// <summary>Places and times as the messages about a recovery write them.</summary>
internal static class RecoveryText
{
    public static string Of(DateTimeOffset time) =>
        time.ToUniversalTime().ToString("yyyy-MM-dd HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture);

    public static string Of(WalFact fact) => fact.Time is { } time ? $"{fact.Lsn}, {Of(time)}" : fact.Lsn.ToString();
}
