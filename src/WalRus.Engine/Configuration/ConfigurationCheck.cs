namespace WalRus.Configuration;

/// <summary>What a check found.</summary>
public enum CheckStatus
{
    Passed,

    /// <summary>It works, but something the operator would want does not.</summary>
    Warning,
    Failed,

    /// <summary>Not looked at; the detail says why.</summary>
    Skipped,
}

/// <summary>What is looked at.</summary>
public enum CheckArea
{
    Setting,
    Store,
    Clock,
    Postgres,
    Library,
}

/// <summary>One finding.</summary>
/// <param name="Area">What was looked at.</param>
/// <param name="Name">The single thing: a setting's name, "Write", "wal_level".</param>
/// <param name="Status">What was found.</param>
/// <param name="Detail">For people; never a secret.</param>
/// <param name="RecommendedAction">The operator's next step; null when there is none.</param>
public sealed record CheckResult(CheckArea Area, string Name, CheckStatus Status, string Detail, string? RecommendedAction = null)
{
    /// <summary>Where a setting's value came from.</summary>
    public string? Source { get; init; }

    internal static CheckResult Of(CheckArea area, string name, WalRusException failure) =>
        new(area, name, CheckStatus.Failed, failure.Message, failure.Hint);
}

/// <summary>
/// Looks at everything settings lead to: the settings, the store (an object of its own is written, read and deleted), the
/// clocks, PostgreSQL and the native libraries. What is wrong is a result, never an exception.
/// </summary>
public sealed class ConfigurationCheck(WalRusSettings settings, IEventLog log)
{
    /// <summary>Results as they come: settings, the store, the server (each with its clock), the libraries.</summary>
    /// <param name="areas">What to look at.</param>
    /// <param name="all">Settings that nobody has set, too.</param>
    public async IAsyncEnumerable<CheckResult> RunAsync(
        IReadOnlySet<CheckArea> areas,
        bool all,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var parts = new List<Func<Task<IReadOnlyList<CheckResult>>>>();
        if (areas.Contains(CheckArea.Setting))
        {
            parts.Add(() => Task.FromResult(Settings(all)));
        }

        if (areas.Contains(CheckArea.Store) || areas.Contains(CheckArea.Clock))
        {
            parts.Add(() => new StoreCheck(settings, log).RunAsync(cancellationToken));
        }

        if (areas.Contains(CheckArea.Postgres) || areas.Contains(CheckArea.Clock))
        {
            parts.Add(() => new PostgresCheck(settings).RunAsync(cancellationToken));
        }

        if (areas.Contains(CheckArea.Library))
        {
            parts.Add(() => Task.FromResult(LibraryCheck.Run(settings)));
        }

        foreach (var part in parts)
        {
            foreach (var result in (await part().ConfigureAwait(false)).Where(result => areas.Contains(result.Area)))
            {
                yield return result;
            }
        }
    }

    private IReadOnlyList<CheckResult> Settings(bool all)
    {
        var results = settings.Review()
            .Where(line => all || line.Problem is not null || (line.Value.IsSet && line.State != "foreign"))
            .Select(Result).ToList();
        results.AddRange(settings.UnknownNames.Select(name => new CheckResult(
            CheckArea.Setting, name, CheckStatus.Warning, "No tool knows this setting.", "Correct its name, or remove it.")
        {
            Source = settings.ConfigurationFilePath,
        }));
        if (settings.StoreProblem() is { } problem)
        {
            results.Add(CheckResult.Of(CheckArea.Setting, "Store", problem));
        }

        return results;
    }

    private static CheckResult Result(SettingReview line)
    {
        var setting = line.Value.Setting;
        var shown = line.Value.Shown ?? "not set";
        return line.Problem is { } problem
            ? CheckResult.Of(CheckArea.Setting, setting.Name, problem) with { Source = line.Value.Origin.ToString() }
            : new CheckResult(
                CheckArea.Setting,
                setting.Name,
                setting.Support == SettingSupport.NotUsed && line.Value.IsSet ? CheckStatus.Warning : CheckStatus.Passed,
                shown,
                setting.Support == SettingSupport.NotUsed && line.Value.IsSet ? "WalRus does not need it; it has no effect." : null)
            {
                Source = line.Value.Origin.ToString(),
            };
    }
}
