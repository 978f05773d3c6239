using System.Reflection;
using System.Runtime.Loader;

namespace WalRus.Loader;

/// <summary>
/// Where the module's cmdlets, the engine and every package they carry are loaded: a context of their own, so that other
/// versions of the same packages in the session (AWS.Tools, SqlServer, Az) are neither used nor disturbed. What .NET and
/// PowerShell themselves provide comes from the session.
/// </summary>
public sealed class ModuleLoadContext : AssemblyLoadContext
{
    private static readonly object Gate = new();
    private static Assembly? cmdlets;

    private readonly string folder;

    private ModuleLoadContext(string folder)
        : base("WalRus") => this.folder = folder;

    /// <summary>The assembly with the cmdlets; loaded once a process, however often the module is imported.</summary>
    public static Assembly LoadCmdlets(string folder)
    {
        lock (Gate)
        {
            return cmdlets ??= new ModuleLoadContext(folder)
                .LoadFromAssemblyPath(Path.Combine(folder, "WalRus.PowerShell.dll"));
        }
    }

    /// <inheritdoc/>
    protected override Assembly? Load(AssemblyName assemblyName)
    {
        var path = Path.Combine(folder, assemblyName.Name + ".dll");
        return File.Exists(path) ? LoadFromAssemblyPath(path) : null;
    }
}
