using WalRus.Storage.S3;

namespace WalRus.Configuration;

/// <summary>
/// How long a process waits for a store in trouble before it looks again. A command has nothing else to do; a daemon must
/// be back at work within seconds after the trouble ends, so it looks often. What the user set explicitly stays.
/// </summary>
internal static class StorePatience
{
    private static readonly TimeSpan Stall = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan ThrottledDelay = TimeSpan.FromSeconds(5);

    public static S3StoreOptions OfDaemon(S3StoreOptions options, WalRusSettings settings) => options with
    {
        RequestTimeout = settings.IsSet(SettingCatalog.StoreTimeout) ? options.RequestTimeout : Stall,
        Retry = options.Retry with
        {
            MaxDelay = RetryDelay,
            ThrottledMaxDelay = settings.IsSet(SettingCatalog.S3MaxThrottlingRetryDelay) ? options.Retry.ThrottledMaxDelay : ThrottledDelay,
        },
    };
}
