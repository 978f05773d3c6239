using System.Xml;
using System.Xml.Linq;

namespace WalRus.Help;

/// <summary>
/// The help folder: a file a cmdlet (<c>Verb-Noun.xml</c>), and <c>Parameters.xml</c> for parameters that many cmdlets have.
/// A cmdlet's own text about a parameter goes above that.
/// </summary>
internal sealed class HelpTexts
{
    private const string Shared = "Parameters.xml";

    private readonly Dictionary<string, XElement> files;
    private readonly string folder;
    private readonly List<(string File, string Message)> problems = [];

    public HelpTexts(string folder)
    {
        this.folder = folder;
        files = Directory.EnumerateFiles(folder, "*.xml").ToDictionary(file => Path.GetFileName(file), Load);
    }

    public IReadOnlyList<(string File, string Message)> Problems => problems;

    /// <summary>The text of a cmdlet; an empty one and a problem when there is none.</summary>
    public XElement Of(CmdletDescription cmdlet)
    {
        if (!files.TryGetValue(cmdlet.Name + ".xml", out var text))
        {
            Fail(cmdlet.Name, "there is no help for this cmdlet (CONTRIBUTING.md, \"Adding a cmdlet\")");
            return new XElement("cmdlet");
        }

        foreach (var unknown in text.Elements("parameter").Where(one => cmdlet.Parameters.All(known => known.Name != (string?)one.Attribute("name"))))
        {
            Fail(cmdlet.Name, $"there is no parameter -{unknown.Attribute("name")?.Value}");
        }

        Require(cmdlet.Name, text, "synopsis", 1);
        Require(cmdlet.Name, text, "description", 1);
        Require(cmdlet.Name, text, "example", 3);
        return text;
    }

    public XElement Parameter(CmdletDescription cmdlet, string name)
    {
        static XElement? In(XElement text, string name) =>
            text.Elements("parameter").FirstOrDefault(one => (string?)one.Attribute("name") == name);
        var found = (files.TryGetValue(cmdlet.Name + ".xml", out var own) ? In(own, name) : null) ?? In(files[Shared], name);
        if (found is null)
        {
            Fail(cmdlet.Name, $"parameter -{name} has no help");
        }

        return found ?? new XElement("parameter");
    }

    /// <summary>Adds a problem for each file whose cmdlet is not there.</summary>
    public void RequireNoOther(IEnumerable<string> cmdlets)
    {
        foreach (var name in files.Keys.Where(name => name != Shared).Select(name => Path.GetFileNameWithoutExtension(name)).Except(cmdlets))
        {
            Fail(name, "there is no such cmdlet");
        }
    }

    private static XElement Load(string file) => XDocument.Load(file, LoadOptions.SetLineInfo).Root
        ?? throw new XmlException($"{file} is empty.");

    private void Require(string cmdlet, XElement text, string element, int count)
    {
        if (text.Elements(element).Count(one => one.Value.Trim().Length > 0) < count)
        {
            Fail(cmdlet, $"it needs at least {count} <{element}>");
        }
    }

    private void Fail(string cmdlet, string message) => problems.Add((Path.Combine(folder, cmdlet + ".xml"), message));
}
