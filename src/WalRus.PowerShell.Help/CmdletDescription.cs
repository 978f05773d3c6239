using System.Reflection;

namespace WalRus.Help;

/// <summary>What an assembly says of one of its cmdlets, read without running any of it.</summary>
internal sealed record CmdletDescription(
    string Verb,
    string Noun,
    string DefaultSet,
    IReadOnlyList<string> OutputTypes,
    IReadOnlyList<ParameterDescription> Parameters)
{
    private static readonly ParameterDescription[] ShouldProcessParameters =
    [
        ParameterDescription.Switch("WhatIf", "wi"),
        ParameterDescription.Switch("Confirm", "cf"),
    ];

    public string Name => $"{Verb}-{Noun}";

    /// <summary>The names of its parameter sets, the default one first; one nameless set where it declares none.</summary>
    public IReadOnlyList<string> Sets
    {
        get
        {
            var names = Parameters.SelectMany(parameter => parameter.Sets).Select(set => set.Name)
                .Where(name => name.Length > 0).Distinct().OrderBy(name => name != DefaultSet).ToArray();
            return names.Length > 0 && !names.Contains(DefaultSet) && DefaultSet.Length > 0 ? [DefaultSet, .. names]
                : names.Length > 0 ? names : [""];
        }
    }

    public static IReadOnlyList<CmdletDescription> AllIn(Assembly assembly) =>
        [.. assembly.GetExportedTypes().Where(type => !type.IsAbstract).Select(From).OfType<CmdletDescription>().OrderBy(cmdlet => cmdlet.Name)];

    private static CmdletDescription? From(Type type)
    {
        var attributes = type.GetCustomAttributesData();
        if (attributes.FirstOrDefault(attribute => attribute.AttributeType.Name == "CmdletAttribute") is not { } declared)
        {
            return null;
        }

        bool Named(string name) => declared.NamedArguments.Any(argument => argument.MemberName == name && argument.TypedValue.Value is true);
        var parameters = Hierarchy(type).SelectMany((level, depth) => level
                .GetProperties(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly)
                .Select(ParameterDescription.From).OfType<ParameterDescription>())
            .Concat(Named("SupportsShouldProcess") ? ShouldProcessParameters : []);
        return new CmdletDescription(
            (string)declared.ConstructorArguments[0].Value!,
            (string)declared.ConstructorArguments[1].Value!,
            declared.NamedArguments.FirstOrDefault(argument => argument.MemberName == "DefaultParameterSetName").TypedValue.Value as string ?? "",
            [.. attributes.Where(attribute => attribute.AttributeType.Name == "OutputTypeAttribute").SelectMany(OutputsOf)],
            [.. parameters]);
    }

    /// <summary>The type before its bases, so that a cmdlet's own parameters stand first.</summary>
    private static IEnumerable<Type> Hierarchy(Type type)
    {
        for (var level = type; level is not null; level = level.BaseType)
        {
            yield return level;
        }
    }

    private static IEnumerable<string> OutputsOf(CustomAttributeData attribute) =>
        attribute.ConstructorArguments.SelectMany(argument => argument.Value switch
        {
            IEnumerable<CustomAttributeTypedArgument> many => many.Select(one => one.Value),
            var one => [one],
        }).Select(value => value is Type type ? type.FullName! : (string)value!);
}
