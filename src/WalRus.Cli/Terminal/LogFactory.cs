using WalRus.Configuration;

namespace WalRus.Cli.Terminal;

/// <summary>The log that settings and --log-format ask for.</summary>
internal static class LogFactory
{
    /// <param name="settings">WALG_LOG_LEVEL, WALG_LOG_DESTINATION, WALRUS_LOG_FORMAT.</param>
    /// <param name="format">--log-format, or null.</param>
    /// <param name="standardError">Opens standard error.</param>
    /// <exception cref="WalRusException"><see cref="ErrorCode.SettingInvalid"/>; the log file cannot be opened.</exception>
    public static ConsoleLog Create(WalRusSettings settings, string? format, Func<Stream> standardError)
    {
        var minimum = settings.Text(SettingCatalog.LogLevel) switch
        {
            "DEVEL" => EventLevel.Debug,
            "WARNING" => EventLevel.Warning,
            "ERROR" => EventLevel.Error,
            _ => EventLevel.Info,
        };
        return new ConsoleLog(Target(settings, standardError), minimum, IsJson(format ?? settings.Text(SettingCatalog.LogFormat)));
    }

    /// <summary>For failures before there are settings.</summary>
    public static ConsoleLog CreateDefault(string? format, Func<Stream> standardError) => new(
        standardError(), EventLevel.Info, format == "json");

    private static bool IsJson(string? format) => format switch
    {
        "json" => true,
        null or "text" => false,
        _ => throw new WalRusException(
            ErrorCode.InvalidArgument, $"--log-format is '{format}', but must be text or json."),
    };

    private static Stream Target(WalRusSettings settings, Func<Stream> standardError)
    {
        var path = settings.Text(SettingCatalog.LogDestination);
        if (path is null or "stderr")
        {
            return standardError();
        }

        var options = new FileStreamOptions
        {
            Mode = FileMode.Append,
            Access = FileAccess.Write,
            Share = FileShare.ReadWrite | FileShare.Delete,
            BufferSize = 0,
        };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
        }

        try
        {
            return new FileStream(path, options);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new WalRusException(
                ErrorCode.FileFailed,
                $"The log file '{path}' cannot be opened: {failure.Message}",
                "Correct WALG_LOG_DESTINATION, or leave it out to log to standard error.",
                failure);
        }
    }
}
