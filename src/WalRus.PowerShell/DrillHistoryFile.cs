namespace WalRus.Cmdlets;

/// <summary>Where this user's drills are remembered when no file is named.</summary>
internal static class DrillHistoryFile
{
    /// <summary>~/.local/share/WalRus/drill-history.jsonl, %LOCALAPPDATA%\WalRus\drill-history.jsonl; null for an account without a home.</summary>
    public static string? Default =>
        Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify)
            is { Length: > 0 } folder ? Path.Combine(folder, "WalRus", "drill-history.jsonl") : null;
}
