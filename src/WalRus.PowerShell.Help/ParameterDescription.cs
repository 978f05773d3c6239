using System.Reflection;

namespace WalRus.Help;

/// <summary>A parameter, and what it is in each of its sets; a nameless set is all of them.</summary>
internal sealed record ParameterDescription(
    string Name, Type Type, bool IsSwitch, bool TakesWildcards, IReadOnlyList<string> Aliases, IReadOnlyList<ParameterSetting> Sets)
{
    public static ParameterDescription Switch(string name, string alias) =>
        new(name, typeof(void), true, false, [alias], [new ParameterSetting("", false, null, false, false, false)]);

    public static ParameterDescription? From(PropertyInfo property)
    {
        var attributes = property.GetCustomAttributesData();
        var sets = attributes.Where(attribute => attribute.AttributeType.Name == "ParameterAttribute").Select(SetOf)
            .Where(set => !set.IsHidden).ToArray();
        if (sets.Length == 0)
        {
            return null;
        }

        var aliases = attributes.FirstOrDefault(attribute => attribute.AttributeType.Name == "AliasAttribute")
            ?.ConstructorArguments[0].Value as IEnumerable<CustomAttributeTypedArgument> ?? [];
        return new ParameterDescription(
            property.Name,
            Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType,
            property.PropertyType.Name == "SwitchParameter",
            attributes.Any(attribute => attribute.AttributeType.Name == "SupportsWildcardsAttribute"),
            [.. aliases.Select(alias => (string)alias.Value!)],
            sets);
    }

    /// <summary>What it is in a set; null when it is no part of it.</summary>
    public ParameterSetting? In(string set) => Sets.FirstOrDefault(one => one.Name.Length == 0 || one.Name == set);

    private static ParameterSetting SetOf(CustomAttributeData attribute)
    {
        object? Value(string name) => attribute.NamedArguments.FirstOrDefault(argument => argument.MemberName == name).TypedValue.Value;
        var set = Value("ParameterSetName") as string ?? "";
        return new ParameterSetting(
            set == "__AllParameterSets" ? "" : set,
            Value("Mandatory") is true,
            Value("Position") as int?,
            Value("ValueFromPipeline") is true,
            Value("ValueFromPipelineByPropertyName") is true,
            Value("DontShow") is true);
    }
}

internal sealed record ParameterSetting(
    string Name, bool IsMandatory, int? Position, bool TakesPipeline, bool TakesProperty, bool IsHidden);
