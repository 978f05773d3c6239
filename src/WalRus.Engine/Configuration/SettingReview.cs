namespace WalRus.Configuration;

/// <summary>One setting as <c>walrus config</c> and Test-WalRusConfiguration show it.</summary>
/// <param name="Value">The value in force and where it came from.</param>
/// <param name="Problem">What is wrong with it, or null.</param>
public sealed record SettingReview(SettingValue Value, WalRusException? Problem)
{
    /// <summary>"invalid", "refused", "ok", "not used" (by WalRus) or "foreign" (another program's or store's).</summary>
    public string State => Problem switch
    {
        { Code: ErrorCode.SettingNotSupported } => "refused",
        not null => "invalid",
        _ => Value.Setting.Support switch
        {
            SettingSupport.NotUsed => "not used",
            SettingSupport.Foreign => "foreign",
            _ => "ok",
        },
    };
}
