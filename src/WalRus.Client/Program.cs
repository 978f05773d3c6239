using System.Reflection;
using WalRus.Cli.Client;

const string Name = "walg-daemon-client";
return new ClientProgram(Name, Version(), StandardStream.WriteOutput, StandardStream.WriteErrors, FallBack).Run(args);

// wal-g's form: version, revision, build date (none: builds are reproducible).
static string Version()
{
    var attribute = typeof(ClientProgram).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>();
    return $"{attribute?.InformationalVersion.Replace('+', '\t')}\t-";
}

// Beside this program, where a release puts it; else wherever the PATH says.
static int FallBack(string[] arguments)
{
    var name = OperatingSystem.IsWindows() ? "walrus.exe" : "walrus";
    var beside = Path.Combine(AppContext.BaseDirectory, name);
    var program = File.Exists(beside) ? beside : name;
    if (ReplacedProcess.Run(program, arguments) is { } exitCode)
    {
        return exitCode;
    }

    StandardStream.WriteErrors($"{Name}: '{program}' could not be started\n");
    return 1;
}
