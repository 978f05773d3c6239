using System.Collections;
using System.Globalization;
using System.Management.Automation;
using WalRus.Drill;

namespace WalRus.Cmdlets;

/// <summary>What a user wants to know of a recovered server, from a cmdlet's parameters to the engine's records.</summary>
internal static class DrillQuestions
{
    /// <summary>An expected value as PostgreSQL prints it; null to judge nothing.</summary>
    public static string? Expected(object? value) =>
        value is PSObject wrapped ? Expected(wrapped.BaseObject) : value switch
    {
        null => null,
        bool truth => truth ? "t" : "f",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture),
    };

    /// <summary>
    /// Runs an assertion over an answer, which is <c>$_</c> in it. On the pipeline's thread.
    /// </summary>
    /// <returns>Null when it gave something true, else why not.</returns>
    public static string? Judge(ScriptBlock assert, DrillQueryResult answer)
    {
        try
        {
            var shown = PgDrillQuery.From(answer);
            var given = assert.InvokeWithContext(null, [new PSVariable("_", shown)], shown);
            return LanguagePrimitives.IsTrue(given) ? null : $"the assertion {{{assert}}} does not hold (value '{answer.Value}', {answer.RowCount} rows)";
        }
        catch (RuntimeException failed) when (failed is not PipelineStoppedException)
        {
            return failed.Message;
        }
    }

    /// <summary>Row counts from a hashtable, from an earlier drill, or from such a drill read back from JSON or a job.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.InvalidArgument"/>.</exception>
    public static IReadOnlyDictionary<string, long> Baseline(object given)
    {
        var value = given is PSObject wrapped ? wrapped : new PSObject(given);
        if (value.Properties["RowCounts"]?.Value is { } counts)
        {
            return Baseline(counts);
        }

        IEnumerable<(string Name, object? Value)> entries = value.BaseObject switch
        {
            IReadOnlyDictionary<string, long> typed => typed.Select(entry => (entry.Key, (object?)entry.Value)),
            IDictionary table => table.Cast<DictionaryEntry>().Select(entry => (entry.Key.ToString()!, entry.Value)),
            _ => value.Properties.Where(property => property is PSNoteProperty).Select(property => (property.Name, (object?)property.Value)),
        };
        try
        {
            var read = entries.ToDictionary(
                entry => entry.Name, entry => LanguagePrimitives.ConvertTo<long>(entry.Value), StringComparer.Ordinal);
            return read.Count > 0 ? read : throw Invalid("it names no table", null);
        }
        catch (PSInvalidCastException notNumbers)
        {
            throw Invalid(notNumbers.Message, notNumbers);
        }
    }

    private static WalRusException Invalid(string why, Exception? inner) => new(
        ErrorCode.InvalidArgument,
        $"The baseline cannot be used: {why}.",
        "Give a drill made with -CountRows, or a hashtable: @{ 'shop.public.orders' = 1000 }.",
        inner);
}
