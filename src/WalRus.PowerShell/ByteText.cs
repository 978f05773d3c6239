using System.Globalization;

namespace WalRus.Cmdlets;

/// <summary>Bytes as people read them, in powers of 1024 as PowerShell's KB, MB, GB are. Also called by the format files.</summary>
public static class ByteText
{
    private static readonly string[] Units = ["B", "KB", "MB", "GB", "TB", "PB"];

    /// <returns>Nothing for null.</returns>
    public static string Of(long? bytes)
    {
        if (bytes is null)
        {
            return "";
        }

        double value = bytes.Value;
        var unit = 0;
        while (Math.Abs(value) >= 1024 && unit < Units.Length - 1)
        {
            value /= 1024;
            unit++;
        }

        return value.ToString(unit == 0 ? "0" : "0.0", CultureInfo.CurrentCulture) + " " + Units[unit];
    }
}
