using System.Collections;
using System.Globalization;
using System.Management.Automation;
using System.Management.Automation.Language;

namespace WalRus.Cmdlets;

/// <summary>Completes -TargetTimeline: PostgreSQL's two words, and the timelines that backups are on.</summary>
public sealed class TimelineCompleter : IArgumentCompleter
{
    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        var timelines = CompletionSource.Backups(fakeBoundParameters).GroupBy(backup => backup.Timeline.Value).OrderByDescending(group => group.Key)
            .Select(group => (Text: group.Key.ToString(CultureInfo.InvariantCulture), Tip: $"{group.Count()} backups, newest {group.First().Name}"));
        return new[] { (Text: "latest", Tip: "Along every switch of timeline"), (Text: "current", Tip: "The backup's own") }.Concat(timelines)
            .Where(one => one.Text.StartsWith(wordToComplete, StringComparison.OrdinalIgnoreCase))
            .Select(one => new CompletionResult(one.Text, one.Text, CompletionResultType.ParameterValue, one.Tip));
    }
}
