using System.Runtime.Loader;
using System.Xml.Linq;
using WalRus.Help;

// WalRus.PowerShell.Help CMDLETS.dll HELP-FOLDER OUTPUT.xml: joins what people wrote about each cmdlet with what its
// assembly says of its parameters. Any cmdlet or parameter without a text, and any text without its cmdlet, is an error.
if (args is not [var assemblyPath, var helpFolder, var output])
{
    Console.Error.WriteLine("usage: WalRus.PowerShell.Help CMDLETS.dll HELP-FOLDER OUTPUT.xml");
    return 2;
}

var folder = Path.GetDirectoryName(Path.GetFullPath(assemblyPath))!;
AssemblyLoadContext.Default.Resolving += (context, name) =>
    Path.Combine(folder, name.Name + ".dll") is var path && File.Exists(path) ? context.LoadFromAssemblyPath(path) : null;
var cmdlets = CmdletDescription.AllIn(AssemblyLoadContext.Default.LoadFromAssemblyPath(Path.GetFullPath(assemblyPath)));
var texts = new HelpTexts(helpFolder);
var document = Maml.Document(cmdlets, texts);
foreach (var problem in texts.Problems)
{
    // MSBuild's form of an error.
    Console.WriteLine($"{problem.File} : error WALRUSHELP: {problem.Message}");
}

if (texts.Problems.Count > 0)
{
    return 1;
}

Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(output))!);
document.Save(output);
return 0;
