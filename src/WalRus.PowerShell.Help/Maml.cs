using System.Globalization;
using System.Xml.Linq;

namespace WalRus.Help;

/// <summary>PowerShell's help schema, MAML 2004/10, as Get-Help reads it.</summary>
internal static class Maml
{
    private static readonly XNamespace Root = "http://msh";
    private static readonly XNamespace Text = "http://schemas.microsoft.com/maml/2004/10";
    private static readonly XNamespace Command = "http://schemas.microsoft.com/maml/dev/command/2004/10";
    private static readonly XNamespace Dev = "http://schemas.microsoft.com/maml/dev/2004/10";

    public static XDocument Document(IReadOnlyList<CmdletDescription> cmdlets, HelpTexts texts)
    {
        texts.RequireNoOther(cmdlets.Select(cmdlet => cmdlet.Name));
        return new XDocument(new XElement(
            Root + "helpItems",
            new XAttribute("schema", "maml"),
            new XAttribute(XNamespace.Xmlns + "maml", Text),
            new XAttribute(XNamespace.Xmlns + "command", Command),
            new XAttribute(XNamespace.Xmlns + "dev", Dev),
            cmdlets.Select(cmdlet => Item(cmdlet, texts))));
    }

    private static XElement Item(CmdletDescription cmdlet, HelpTexts texts)
    {
        var text = texts.Of(cmdlet);
        return new XElement(
            Command + "command",
            new XElement(
                Command + "details",
                new XElement(Command + "name", cmdlet.Name),
                new XElement(Command + "verb", cmdlet.Verb),
                new XElement(Command + "noun", cmdlet.Noun),
                Paragraphs(text.Element("synopsis"))),
            Paragraphs(text.Element("description")),
            new XElement(Command + "syntax", cmdlet.Sets.Select(set => Syntax(cmdlet, set))),
            new XElement(
                Command + "parameters",
                cmdlet.Parameters.Select(parameter => Parameter(
                    parameter, Widest(parameter), Paragraphs(texts.Parameter(cmdlet, parameter.Name)), isSyntax: false))),
            new XElement(
                Command + "returnValues",
                cmdlet.OutputTypes.Select(type => new XElement(
                    Command + "returnValue", new XElement(Dev + "type", new XElement(Text + "name", type))))),
            new XElement(Command + "examples", text.Elements("example").Select(Example)),
            new XElement(Text + "relatedLinks", text.Elements("link").Select(link =>
                new XElement(Text + "navigationLink", new XElement(Text + "linkText", Folded(link.Value))))));
    }

    private static XElement Syntax(CmdletDescription cmdlet, string set) => new(
        Command + "syntaxItem",
        new XElement(Text + "name", cmdlet.Name),
        cmdlet.Parameters.Select(parameter => (Parameter: parameter, Setting: parameter.In(set)))
            .Where(one => one.Setting is not null)
            .OrderBy(one => one.Setting!.Position ?? int.MaxValue).ThenBy(one => !one.Setting!.IsMandatory)
            .Select(one => Parameter(one.Parameter, one.Setting!, null, isSyntax: true)));

    private static XElement Parameter(ParameterDescription parameter, ParameterSetting setting, XElement? description, bool isSyntax) => new(
        Command + "parameter",
        new XAttribute("required", Lower(setting.IsMandatory)),
        new XAttribute("variableLength", Lower(parameter.Type.IsArray)),
        new XAttribute("globbing", Lower(parameter.TakesWildcards)),
        new XAttribute("pipelineInput", (setting.TakesPipeline, setting.TakesProperty) switch
        {
            (true, true) => "true (ByValue, ByPropertyName)",
            (true, false) => "true (ByValue)",
            (false, true) => "true (ByPropertyName)",
            _ => "false",
        }),
        new XAttribute("position", setting.Position?.ToString(CultureInfo.InvariantCulture) ?? "named"),
        new XAttribute("aliases", parameter.Aliases.Count > 0 ? string.Join(", ", parameter.Aliases) : "none"),
        new XElement(Text + "name", parameter.Name),
        description,
        parameter.IsSwitch && isSyntax ? null : new XElement(
            Command + "parameterValue",
            new XAttribute("required", Lower(!parameter.IsSwitch)),
            parameter.IsSwitch ? "SwitchParameter" : parameter.Type.Name),
        parameter.Type.IsEnum && isSyntax ? new XElement(
            Command + "parameterValueGroup",
            parameter.Type.GetEnumNames().Select(name => new XElement(Command + "parameterValue", new XAttribute("required", "false"), name))) : null,
        isSyntax ? null : new XElement(Dev + "defaultValue", "None"));

    /// <summary>One description for all sets: mandatory where any is, from the pipeline where any is.</summary>
    private static ParameterSetting Widest(ParameterDescription parameter) => new(
        "",
        parameter.Sets.Any(set => set.IsMandatory),
        parameter.Sets.Select(set => set.Position).FirstOrDefault(position => position is not null),
        parameter.Sets.Any(set => set.TakesPipeline),
        parameter.Sets.Any(set => set.TakesProperty),
        false);

    private static XElement Example(XElement example, int index) => new(
        Command + "example",
        new XElement(Text + "title", $"Example {index + 1}: {example.Attribute("title")?.Value}"),
        new XElement(Dev + "code", Code(example.Element("code")?.Value ?? "")),
        new XElement(Dev + "remarks", example.Elements("para").Select(para => new XElement(Text + "para", Folded(para.Value)))));

    private static XElement Paragraphs(XElement? text)
    {
        var paragraphs = text?.Elements("para").Select(para => para.Value).ToArray() ?? [];
        return new XElement(
            Text + "description",
            (paragraphs.Length > 0 ? paragraphs : [text?.Value ?? ""]).Select(para => new XElement(Text + "para", Folded(para))));
    }

    /// <summary>Prose: line ends of the source are spaces.</summary>
    private static string Folded(string text) => string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    /// <summary>Code keeps its lines; the indentation all of them share is the source's.</summary>
    private static string Code(string text)
    {
        var lines = text.ReplaceLineEndings("\n").Trim('\n').TrimEnd().Split('\n');
        var indentation = lines.Skip(lines.Length > 1 && !lines[0].StartsWith(' ') ? 1 : 0)
            .Where(line => line.Trim().Length > 0).Select(line => line.Length - line.TrimStart().Length).DefaultIfEmpty(0).Min();
        var shared = lines.All(line => line.Trim().Length == 0 || line.Length - line.TrimStart().Length >= indentation) ? indentation : 0;
        return string.Join('\n', lines.Select(line => line.Length >= shared ? line[shared..] : "")).Trim('\n');
    }

    private static string Lower(bool value) => value ? "true" : "false";
}
