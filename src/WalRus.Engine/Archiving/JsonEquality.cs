using System.Text.Json;

namespace WalRus.Archiving;

/// <summary>wal-g's equality of user data: decoded values, numbers as doubles, keys in any order, arrays in order.</summary>
internal static class JsonEquality
{
    public static bool Equal(JsonElement left, JsonElement right) => left.ValueKind == right.ValueKind && left.ValueKind switch
    {
        JsonValueKind.Object => EqualObjects(left, right),
        JsonValueKind.Array => left.GetArrayLength() == right.GetArrayLength()
            && left.EnumerateArray().Zip(right.EnumerateArray()).All(pair => Equal(pair.First, pair.Second)),
        JsonValueKind.String => left.ValueEquals(right.GetString()),
        JsonValueKind.Number => left.GetDouble().Equals(right.GetDouble()),
        _ => true,
    };

    private static bool EqualObjects(JsonElement left, JsonElement right)
    {
        // A key given twice counts once, with its last value, as when decoded.
        var names = left.EnumerateObject().Select(member => member.Name).Distinct().ToArray();
        return names.Length == right.EnumerateObject().Select(member => member.Name).Distinct().Count()
            && names.All(name => right.TryGetProperty(name, out var other) && Equal(left.GetProperty(name), other));
    }
}
