using System.Globalization;
using WalRus.Cli.CommandLine;
using WalRus.Configuration;
using WalRus.Retention;
using WalRus.WalG;

namespace WalRus.Cli.Commands;

/// <summary>
/// <c>walrus delete before|retain|everything|target|garbage|policy ...</c>: wal-g's forms and words, and a policy.
/// Without <c>--confirm</c> it only names what would go.
/// </summary>
internal static class DeleteCommand
{
    private const string Forms = "before, retain, everything, target, garbage or policy";

    public static Command Definition { get; } = new()
    {
        Name = "delete",
        Arguments = "before|retain|everything|target|garbage|policy ...",
        Meaning = "Delete backups and WAL that are not needed",
        MinimumArguments = 1,
        MaximumArguments = 3,
        Options =
        [
            new("confirm", "delete; without it only say what would be deleted"),
            new("use-sentinel-time", "order backups by when they were begun"),
            new("after", "retain: keep also what was made since, a time or a backup", 'a', "string"),
            new("target-user-data", "target: the backup with this user data", null, "string"),
            new("without-backup-check", "garbage: WAL is garbage even when there is no backup"),
            .. DeletePolicy.Options,
        ],
        RunAsync = RunAsync,
    };

    private static async Task<int> RunAsync(Invocation call, CancellationToken cancellationToken)
    {
        var request = Parse(call);
        var engine = call.OpenEngine();
        await using var close = engine.ConfigureAwait(false);
        call.Log.Info("DeleteStores", $"Backup to delete will be searched in storages: [{engine.Archive.Store.Name}]");
        var planner = engine.CreateDeletionPlanner();
        var inventory = await planner.ReadAsync(cancellationToken).ConfigureAwait(false);
        call.Log.Info("PermanentObjects", "retrieving permanent objects");
        SayPermanent(call, engine, planner, inventory);
        var context = new DeleteContext(call, engine, planner, inventory);
        var plan = await request(context, cancellationToken).ConfigureAwait(false);
        if (plan is null)
        {
            call.Log.Info("NoBackupToDelete", "No backup found for deletion");
            return ExitCodes.Success;
        }

        return await new DeleteRun(call, engine.CreateDeletion(), call.Arguments[0] == "target").RunAsync(plan, cancellationToken)
            .ConfigureAwait(false);
    }

    /// <summary>What is wrong with the words is said before anything is opened.</summary>
    private static Func<DeleteContext, CancellationToken, Task<DeletionPlan?>> Parse(Invocation call)
    {
        string[] rest = [.. call.Arguments.Skip(1)];
        return call.Arguments[0] switch
        {
            "before" => Before(rest),
            "retain" => Retain(rest, call),
            "everything" => Everything(rest),
            "target" => Target(rest, call),
            "garbage" => Garbage(rest, call),
            "policy" => DeletePolicy.Parse(rest, call),
            var other => throw new UsageException($"unknown command \"{other}\" for \"{Application.Name} delete\": it is none of {Forms}", Definition),
        };
    }

    private static Func<DeleteContext, CancellationToken, Task<DeletionPlan?>> Before(string[] words)
    {
        var (modifier, rest) = Modifier(words, 1, 2, ("FIND_FULL", DeletionModifier.FindFull));
        var time = TimeOrNull(rest[0]);
        if (time > DateTimeOffset.UtcNow)
        {
            throw new UsageException($"{rest[0]} is in the future: everything would be older", Definition);
        }

        return (context, _) =>
        {
            var target = time is { } since ? context.Targets.Since(since, modifier) : context.Targets.Named(rest[0], modifier);
            if (target is null && time is null)
            {
                throw new WalRusException(
                    ErrorCode.BackupNotFound, $"not found: no backup that can be restored has a name that starts with '{rest[0]}'.",
                    "backup-list shows those there are.");
            }

            return Task.FromResult(context.PlanBefore(target));
        };
    }

    private static Func<DeleteContext, CancellationToken, Task<DeletionPlan?>> Retain(string[] words, Invocation call)
    {
        var (modifier, rest) = Modifier(words, 1, 2, ("FULL", DeletionModifier.Full), ("FIND_FULL", DeletionModifier.FindFull));
        if (!int.TryParse(rest[0], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var count))
        {
            throw new UsageException($"'{rest[0]}' is not a number of backups", Definition);
        }

        if (count < 1)
        {
            throw new UsageException("cannot retain less than one backup. Check out delete everything", Definition);
        }

        var after = call.Value("after");
        return (context, _) =>
        {
            var target = context.Targets.Retained(count, modifier);
            if (after is { Length: > 0 })
            {
                var since = TimeOrNull(after) is { } time
                    ? context.Targets.Since(time, modifier)
                    : context.Targets.Named(after, modifier) ?? throw new WalRusException(
                        ErrorCode.BackupNotFound, $"not found: no backup that can be restored has a name that starts with '{after}'.");
                target = context.Targets.Older(target, since);
            }

            return Task.FromResult(context.PlanBefore(target));
        };
    }

    private static Func<DeleteContext, CancellationToken, Task<DeletionPlan?>> Everything(string[] words)
    {
        var force = OneOf(words, "FORCE") is not null;
        return (context, _) => Task.FromResult<DeletionPlan?>(DeletionPlanner.PlanEverything(context.Inventory, force));
    }

    private static Func<DeleteContext, CancellationToken, Task<DeletionPlan?>> Target(string[] words, Invocation call)
    {
        var userData = UserData.Parse(call.Value("target-user-data"), "--target-user-data");
        var least = userData is null ? 1 : 0;
        var (modifier, rest) = Modifier(words, least, least + 1, ("FIND_FULL", DeletionModifier.FindFull));
        return async (context, cancellationToken) =>
        {
            var selected = await context.SelectAsync(rest.FirstOrDefault(), userData, cancellationToken).ConfigureAwait(false);
            return selected is null ? null : await context.PlanTargetAsync(selected, modifier, cancellationToken).ConfigureAwait(false);
        };
    }

    private static Func<DeleteContext, CancellationToken, Task<DeletionPlan?>> Garbage(string[] words, Invocation call)
    {
        var scope = OneOf(words, "ARCHIVES", "BACKUPS") switch
        {
            "ARCHIVES" => GarbageScope.Archives,
            "BACKUPS" => GarbageScope.Backups,
            _ => GarbageScope.All,
        };
        var withoutCheck = call.Has("without-backup-check");
        return (context, _) => Task.FromResult<DeletionPlan?>(context.PlanGarbage(scope, withoutCheck));
    }

    /// <summary>A modifier may stand first; with as many words as there can be it must.</summary>
    private static (DeletionModifier Modifier, string[] Words) Modifier(
        string[] words, int least, int most, params (string Word, DeletionModifier Modifier)[] known)
    {
        if (words.Length < least || words.Length > most)
        {
            throw new UsageException(
                FormattableString.Invariant($"accepts between {least} and {most} arg(s), received {words.Length}"), Definition);
        }

        if (words.Length < most)
        {
            return (DeletionModifier.None, words);
        }

        var found = known.FirstOrDefault(candidate => candidate.Word == words[0]);
        return found.Word is null ? throw NotOf(known.Select(candidate => candidate.Word)) : (found.Modifier, words[1..]);
    }

    private static string? OneOf(string[] words, params string[] known) => words switch
    {
        [] => null,
        [var word] => known.Contains(word) ? word : throw NotOf(known),
        _ => throw new UsageException(FormattableString.Invariant($"accepts between 0 and 1 arg(s), received {words.Length}"), Definition),
    };

    private static UsageException NotOf(IEnumerable<string> known) =>
        new($"expected to get one of modifiers: {string.Join(", ", known)} as the first argument", Definition);

    /// <summary>wal-g's test: what is no RFC 3339 time is a name.</summary>
    private static DateTimeOffset? TimeOrNull(string text) =>
        WalGTime.TryParse(text, out var time) ? time.ToDateTimeOffset() : null;

    /// <summary>wal-g prints its two maps, in order of their keys.</summary>
    private static void SayPermanent(Invocation call, WalRusEngine engine, DeletionPlanner planner, BackupInventory inventory)
    {
        const int MaxShown = 100;
        var backups = inventory.Backups.Where(backup => backup.IsPermanent).Select(backup => backup.Name.ToString())
            .Order(StringComparer.Ordinal).ToList();
        if (backups.Count > 0)
        {
            call.Log.Info(
                "FoundPermanent",
                $"Found permanent objects: backups={Map(backups)}, wals={Map(planner.ReservedSegments(inventory))}");
        }

        string Map(IEnumerable<string> names) =>
            $"map[{string.Join(' ', names.Take(MaxShown).Select(name => $"{{{name} {engine.Archive.Store.Name}}}:true"))}]";
    }
}
