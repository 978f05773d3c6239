using System.Text;
using WalRus.Cli;
using WalRus.Configuration;

namespace WalRus.Tests.Cli;

/// <summary>Runs a command line within this process: no signals, no exit, the given environment only.</summary>
internal static class InProcess
{
    public static async Task<ProgramResult> RunAsync(IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        var output = new MemoryStream();
        var errors = new MemoryStream();
        var application = new Application(output, () => errors, new SettingSources { Environment = environment });
        var exitCode = await application.RunAsync(arguments, TestContext.Current.CancellationToken);
        return new ProgramResult(exitCode, Encoding.UTF8.GetString(output.ToArray()), Encoding.UTF8.GetString(errors.ToArray()));
    }
}
