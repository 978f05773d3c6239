namespace WalRus.Cli;

/// <summary>How to start this executable again.</summary>
/// <param name="Program">The file to start.</param>
/// <param name="Arguments">What comes before walrus' own arguments: the assembly, when dotnet runs it.</param>
internal sealed record SelfInvocation(string Program, IReadOnlyList<string> Arguments)
{
    /// <summary>Null when this process has no executable file.</summary>
    public static SelfInvocation? Find()
    {
        if (Environment.ProcessPath is not { } program)
        {
            return null;
        }

        if (!Path.GetFileNameWithoutExtension(program).Equals("dotnet", StringComparison.OrdinalIgnoreCase))
        {
            return new SelfInvocation(program, []);
        }

        return new SelfInvocation(program, [Path.Combine(AppContext.BaseDirectory, $"{Application.Name}.dll")]);
    }
}
