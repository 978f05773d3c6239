using WalRus.Configuration;

namespace WalRus.Cmdlets;

/// <summary>One finding of Test-WalRusConfiguration.</summary>
public sealed class WalRusCheck
{
    /// <summary>Setting, Store, Clock, Postgres or Library.</summary>
    public required CheckArea Area { get; init; }

    /// <summary>A setting's name, or what was looked at.</summary>
    public required string Name { get; init; }

    public required CheckStatus Status { get; init; }

    /// <summary>What was found; for a setting its value, secrets masked.</summary>
    public string Detail { get; init; } = "";

    /// <summary>Where a setting's value came from.</summary>
    public string? Source { get; init; }

    /// <summary>What to do next; null when there is nothing.</summary>
    public string? RecommendedAction { get; init; }

    /// <inheritdoc/>
    public override string ToString() => $"{Name}: {Status}";

    internal static WalRusCheck From(CheckResult result, WalRusConfiguration? configuration) => new()
    {
        Area = result.Area,
        Name = result.Name,
        Status = result.Status,
        Detail = result.Detail,
        Source = configuration is not null && result.Area == CheckArea.Setting
            && configuration.SecretName.TryGetValue(result.Name, out var secret) ? $"secret {secret}" : result.Source,
        RecommendedAction = result.RecommendedAction,
    };
}
