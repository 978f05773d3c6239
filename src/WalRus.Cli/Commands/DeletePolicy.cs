using System.Globalization;
using WalRus.Cli.CommandLine;
using WalRus.Retention;

namespace WalRus.Cli.Commands;

/// <summary><c>walrus delete policy --keep-last 7 --keep-monthly 12 --window 7d</c>: the module's policies for a timer's line.</summary>
internal static class DeletePolicy
{
    public static IReadOnlyList<CommandOption> Options { get; } =
    [
        new("keep-last", "policy: the newest so many backups", null, "count"),
        new("keep-for", "policy: backups that ended within this time, such as 30d or 12h", null, "time"),
        new("keep-daily", "policy: the newest backup of each of so many days that have one", null, "count"),
        new("keep-weekly", "policy: the same of ISO weeks", null, "count"),
        new("keep-monthly", "policy: the same of months", null, "count"),
        new("keep-yearly", "policy: the same of years", null, "count"),
        new("minimum", "policy: so many stay in any case (default 1)", null, "count"),
        new("window", "policy: how far back recovery to any moment must reach, such as 7d; all kept backups without it", null, "time"),
        new("time-zone", "policy: whose days count, such as Europe/Berlin (default UTC)", null, "name"),
    ];

    public static Func<DeleteContext, CancellationToken, Task<DeletionPlan?>> Parse(string[] words, Invocation call)
    {
        if (words.Length > 0)
        {
            throw new UsageException($"delete policy takes flags only, not '{words[0]}'", DeleteCommand.Definition);
        }

        var policy = new RetentionPolicy
        {
            Last = Count(call, "keep-last"),
            For = Time(call, "keep-for"),
            Daily = Count(call, "keep-daily"),
            Weekly = Count(call, "keep-weekly"),
            Monthly = Count(call, "keep-monthly"),
            Yearly = Count(call, "keep-yearly"),
            MinimumCount = Count(call, "minimum") ?? 1,
            PointInTimeWindow = Time(call, "window"),
            TimeZone = Zone(call),
        };
        policy.Validate();
        return async (context, cancellationToken) =>
        {
            var plan = await context.Planner.PlanPolicyAsync(context.Inventory, policy, cancellationToken).ConfigureAwait(false);
            foreach (var decision in plan.Backups)
            {
                call.Log.Info("PolicyDecision", decision.ToString());
            }

            return plan;
        };
    }

    private static int? Count(Invocation call, string flag) => call.Value(flag) is not { } text ? null
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count) ? count
        : throw new UsageException($"invalid argument \"{text}\" for \"--{flag}\" flag: it is no number", DeleteCommand.Definition);

    private static TimeSpan? Time(Invocation call, string flag)
    {
        if (call.Value(flag) is not { } text)
        {
            return null;
        }

        var unit = text.Length > 1 ? text[^1] : ' ';
        if (!double.TryParse(text.AsSpan(0, Math.Max(0, text.Length - 1)), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var count)
            || count > 100_000)
        {
            throw Wrong();
        }

        return unit switch
        {
            'm' => TimeSpan.FromMinutes(count),
            'h' => TimeSpan.FromHours(count),
            'd' => TimeSpan.FromDays(count),
            'w' => TimeSpan.FromDays(7 * count),
            _ => throw Wrong(),
        };

        UsageException Wrong() => new(
            $"invalid argument \"{text}\" for \"--{flag}\" flag: a number and m, h, d or w", DeleteCommand.Definition);
    }

    private static TimeZoneInfo Zone(Invocation call)
    {
        var name = call.Value("time-zone");
        try
        {
            return name is { Length: > 0 } ? TimeZoneInfo.FindSystemTimeZoneById(name) : TimeZoneInfo.Utc;
        }
        catch (Exception unknown) when (unknown is TimeZoneNotFoundException or InvalidTimeZoneException)
        {
            throw new UsageException($"there is no time zone '{name}' on this machine", DeleteCommand.Definition);
        }
    }
}
