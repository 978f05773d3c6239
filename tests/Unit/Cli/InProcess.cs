using System.Text;
using WalRus.Cli;
using WalRus.Configuration;

namespace WalRus.Tests.Cli;

/// <summary>Runs a command line within this process: no signals, no exit, the given environment only.</summary>
internal static class InProcess
{
    public static Task<ProgramResult> RunAsync(IReadOnlyDictionary<string, string> environment, params string[] arguments) =>
        RunAsync(environment, [], arguments);

    /// <param name="input">What standard input holds.</param>
    public static async Task<ProgramResult> RunAsync(
        IReadOnlyDictionary<string, string> environment, byte[] input, string[] arguments)
    {
        var output = new MemoryStream();
        var errors = new List<MemoryStream>();
        var application = new Application(output, OpenErrors, new SettingSources { Environment = environment })
        {
            OpenInput = () => new MemoryStream(input),
        };
        var exitCode = await application.RunAsync(arguments, TestContext.Current.CancellationToken);
        return new ProgramResult(exitCode, Encoding.UTF8.GetString(output.ToArray()), string.Concat(errors.Select(opened => Encoding.UTF8.GetString(opened.ToArray()))));

        // Standard error can be opened and closed again and again, a memory stream only once.
        MemoryStream OpenErrors()
        {
            var opened = new MemoryStream();
            errors.Add(opened);
            return opened;
        }
    }
}
