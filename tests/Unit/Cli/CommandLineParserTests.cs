using WalRus.Cli.CommandLine;
using WalRus.Cli.Commands;

namespace WalRus.Tests.Cli;

public sealed class CommandLineParserTests
{
    private static readonly Command Push = new()
    {
        Name = "push",
        Meaning = "",
        MinimumArguments = 0,
        MaximumArguments = 1,
        Options = [new("permanent", "", 'p'), new("verify", "", 'v'), new("from", "", 'd', "NAME")],
        RunAsync = (_, _) => Task.FromResult(0),
    };

    private static readonly Command[] Commands =
    [
        Push,
        Push with { Name = "none", MaximumArguments = 0 },
        Push with { Name = "two", MinimumArguments = 2, MaximumArguments = 2 },
        Push with { Name = "one-or-two", MinimumArguments = 1, MaximumArguments = 2 },
        Push with { Name = "own", ReadsOwnFlags = true },
    ];

    [Theory]
    [InlineData("push data --permanent --from x")]
    [InlineData("push --from=x data -p")]
    [InlineData("push -p -d x data")]
    [InlineData("push -pdx data")]
    [InlineData("push -pd=x data")]
    [InlineData("--config c push --permanent=true -d x data --config=c")]
    [InlineData("--turbo push data -p=1 -d x --config c")]
    [InlineData("push -p -dx -- data")]
    public void Flags_stand_anywhere_and_in_every_style(string line)
    {
        var parsed = Parse(line);
        Assert.Equal("push", parsed.Command!.Name);
        Assert.Equal(["data"], parsed.Arguments);
        Assert.True(parsed.Has("permanent"));
        Assert.Equal("x", parsed.Value("from"));
        Assert.Equal(line.Contains("--config", StringComparison.Ordinal) ? "c" : null, parsed.Value("config"));
    }

    [Theory]
    [InlineData("push --walg-compression-method zstd")]
    [InlineData("--walg-compression-method zstd push")]
    [InlineData("push --walg-compression-method=zstd")]
    public void Every_setting_is_a_flag(string line)
    {
        var parsed = Parse(line);
        Assert.Equal("push", parsed.Command!.Name);
        Assert.Equal("zstd", parsed.Settings["WALG_COMPRESSION_METHOD"]);
        Assert.Empty(parsed.Arguments);
    }

    [Fact]
    public void After_two_dashes_everything_is_an_argument() => Assert.Equal(["-p", "--from"], Parse("two -- -p --from").Arguments);

    [Fact]
    public void A_command_s_own_letter_wins_over_the_global_one()
    {
        Assert.True(Parse("push -v").Has("verify"));
        Assert.True(Parse("-v").Has("version"));
    }

    [Fact]
    public void A_switch_can_be_switched_off() => Assert.False(Parse("push --permanent=false").Has("permanent"));

    [Fact]
    public void The_last_of_two_equal_flags_wins() => Assert.Equal("b", Parse("push --from a --from=b").Value("from"));

    [Fact]
    public void A_command_may_read_its_own_flags() => Assert.Equal(["--whatever", "-x"], Parse("own --whatever -x").Arguments);

    [Theory]
    [InlineData("nosuch", "unknown command \"nosuch\" for \"walrus\"")]
    [InlineData("push --nosuch", "unknown flag: --nosuch")]
    [InlineData("push -x", "unknown shorthand flag: 'x' in -x")]
    [InlineData("push -px", "unknown shorthand flag: 'x' in -px")]
    [InlineData("push --from", "flag needs an argument: --from")]
    [InlineData("push -d", "flag needs an argument: 'd' in -d")]
    [InlineData("push --config", "flag needs an argument: --config")]
    [InlineData("push --permanent=maybe", "invalid argument \"maybe\" for \"--permanent\" flag: it is neither true nor false")]
    [InlineData("push a b", "accepts at most 1 arg(s), received 2")]
    [InlineData("none a", "unknown command \"a\" for \"walrus none\"")]
    [InlineData("two a", "accepts 2 arg(s), received 1")]
    [InlineData("one-or-two", "accepts between 1 and 2 arg(s), received 0")]
    public void Wrong_usage_is_told_in_wal_g_s_words(string line, string message) =>
        Assert.Equal(message, Assert.Throws<UsageException>(() => Parse(line)).Message);

    [Fact]
    public void Help_is_given_whatever_else_is_missing() => Assert.True(Parse("two --help").Has("help"));

    [Fact]
    public void No_command_is_declared_twice_and_no_option_collides()
    {
        Assert.Equal(CommandTable.All.Count, CommandTable.All.Select(command => command.Name).Distinct().Count());
        foreach (var command in CommandTable.All)
        {
            var names = command.Options.Concat(CommandLineParser.GlobalOptions).Select(option => option.Name).ToList();
            Assert.Equal(names.Count, names.Distinct().Count());
            var letters = command.Options.Where(option => option.Short is not null).Select(option => option.Short).ToList();
            Assert.Equal(letters.Count, letters.Distinct().Count());
        }
    }

    private static ParsedCommandLine Parse(string line) =>
        new CommandLineParser(Commands, "walrus").Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
}
