using System.Globalization;

namespace WalRus.Tests;

/// <summary>
/// When to kill -9 an operation: each kill at a random moment of its own part of the operation's time, which is the shortest
/// that any run of it took here. A run that ended before its moment was not killed: it does not count, and makes the time
/// shorter for the kill that takes its place. So a machine that is quicker or slower than a moment ago changes no test.
/// </summary>
internal sealed class KillMoments
{
    private readonly Random random;
    private readonly int kills;
    private TimeSpan shortest = TimeSpan.MaxValue;
    private int tries;

    /// <param name="kills">How many, unless WALRUS_TEST_KILLS says it.</param>
    public KillMoments(int kills)
    {
        this.kills = Environment.GetEnvironmentVariable("WALRUS_TEST_KILLS") is { Length: > 0 } set
            ? int.Parse(set, CultureInfo.InvariantCulture)
            : kills;
        Seed = Environment.TickCount;
        random = new Random(Seed);
    }

    /// <summary>The part of the operation, of its whole time, that kills are in.</summary>
    public (double Begin, double End) Within { get; init; } = (0, 1);

    /// <summary>What the operation says as its work begins, and how often; its time counts from there. Null: from its start.</summary>
    public (string Text, int Times)? Since { get; init; }

    /// <summary>The time to kill within of an operation that goes on until it is ended.</summary>
    public TimeSpan OfEndless
    {
        init => shortest = value;
    }

    /// <summary>Kills that hit a running process.</summary>
    public int Hit { get; private set; }

    /// <summary>For a failure's text.</summary>
    public string Where => string.Create(CultureInfo.InvariantCulture, $"seed {Seed}, kill {Hit}, try {tries}");

    private int Seed { get; }

    /// <summary>Runs the operation to its end, which must be a good one, and takes its time.</summary>
    public async Task MeasureAsync(IEnumerable<string> arguments, IReadOnlyDictionary<string, string> environment)
    {
        var (killed, took) = await WalRusProgram.RunAndKillAsync(arguments, environment, Timeout.InfiniteTimeSpan, Since);
        Assert.False(killed);
        Note(took);
    }

    /// <summary>False when there were enough kills.</summary>
    public bool Next()
    {
        Assert.True(shortest < TimeSpan.MaxValue, "No run of it was measured.");
        if (Hit == kills)
        {
            return false;
        }

        Assert.True(tries < (4 * kills) + 20, $"most runs ended before they could be killed: {Where}");
        tries++;
        return true;
    }

    /// <summary>Runs the operation and kills it; a run that ends before must end well.</summary>
    /// <returns>True when it was killed.</returns>
    public async Task<bool> KillAsync(IEnumerable<string> arguments, IReadOnlyDictionary<string, string> environment)
    {
        var part = (Hit + random.NextDouble()) / kills;
        var moment = shortest * (Within.Begin + ((Within.End - Within.Begin) * part));
        var (killed, took) = await WalRusProgram.RunAndKillAsync(arguments, environment, moment, Since);
        if (killed)
        {
            Hit++;
        }
        else
        {
            Note(took);
        }

        return killed;
    }

    /// <summary>Tells how it went, for those who run many.</summary>
    public void Report(string what) =>
        TestContext.Current.TestOutputHelper?.WriteLine($"{what}: {Hit} of {tries} runs were killed, seed {Seed}");

    private void Note(TimeSpan took) => shortest = took < shortest ? took : shortest;
}
