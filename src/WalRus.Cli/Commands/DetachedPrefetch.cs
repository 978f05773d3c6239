using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using WalRus.Cli.CommandLine;
using WalRus.Configuration;
using WalRus.Wal;

namespace WalRus.Cli.Commands;

/// <summary>Starts <c>wal-prefetch</c> as a process of its own, which outlives this one: replay does not wait for it.</summary>
internal static class DetachedPrefetch
{
    public static void Start(Invocation call, WalFetchResult fetched)
    {
        var own = SelfInvocation.Find();
        if (own is null)
        {
            return;
        }

        var start = new ProcessStartInfo(own.Program)
        {
            UseShellExecute = false,

            // A pipe of our own instead of the caller's: who captures our output must not wait for the prefetch.
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        foreach (var argument in own.Arguments.Concat(call.GlobalArguments())
            .Concat(SegmentSize(call, fetched)).Concat(["wal-prefetch", fetched.Name, fetched.Destination]))
        {
            start.ArgumentList.Add(argument);
        }

        foreach (var (setting, secret) in call.GivenSecrets())
        {
            start.Environment[setting] = secret;
        }

        try
        {
            using var process = Process.Start(start);
        }
        catch (Exception failure) when (failure is Win32Exception or IOException)
        {
            // The segment is fetched; the next ones will be fetched when they are asked for.
            call.Log.Warning("PrefetchNotStarted", $"Prefetching could not be started: {failure.Message}");
        }
    }

    /// <summary>Which names follow depends on the segment size, which the fetched segment told.</summary>
    private static string[] SegmentSize(Invocation call, WalFetchResult fetched) =>
        fetched.SegmentSize is { } size && !call.Settings.IsSet(SettingCatalog.WalSize)
            ? [string.Create(CultureInfo.InvariantCulture, $"{Setting.FlagOf(SettingCatalog.WalSize.Name)}={size.Bytes >> 20}")]
            : [];
}
