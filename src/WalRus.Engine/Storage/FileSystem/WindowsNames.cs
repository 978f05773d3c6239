namespace WalRus.Storage.FileSystem;

/// <summary>Which keys Windows can hold as files.</summary>
internal static class WindowsNames
{
    private static readonly string[] Devices =
    [
        "CON", "PRN", "AUX", "NUL",
        .. from port in Enumerable.Range(1, 9) from kind in new[] { "COM", "LPT" } select $"{kind}{port}",
    ];

    /// <exception cref="WalRusException"><see cref="ErrorCode.InvalidArgument"/>: Windows would store it under another
    /// name (a trailing dot), in another place (a stream after ':') or in a device.</exception>
    public static string Checked(string key)
    {
        foreach (var segment in key.Split('/'))
        {
            if (segment.AsSpan().IndexOfAny("<>:\"|?*") >= 0 || segment[^1] is '.' or ' '
                || Devices.Contains(segment.Split('.')[0].TrimEnd(), StringComparer.OrdinalIgnoreCase))
            {
                throw new WalRusException(
                    ErrorCode.InvalidArgument, $"'{key}' cannot be a file's path on Windows because of '{segment}'.");
            }
        }

        return key;
    }
}
