using System.Globalization;
using System.Management.Automation;

namespace WalRus.Loader;

/// <summary>
/// Makes a DateTimeOffset of what serialization (jobs, remoting, Export-Clixml) leaves of one: an object with its parts as
/// properties, which neither sorts nor compares. Takes nothing else, so that every other conversion stays PowerShell's own.
/// </summary>
public sealed class ReceivedTimeConverter : PSTypeConverter
{
    private const string Received = "Deserialized.System.DateTimeOffset";

    /// <inheritdoc/>
    public override bool CanConvertFrom(object sourceValue, Type destinationType) =>
        destinationType == typeof(DateTimeOffset) && sourceValue is PSObject value && value.TypeNames.Contains(Received)
            && Part<DateTime>(value, "UtcDateTime") is not null;

    /// <inheritdoc/>
    public override object ConvertFrom(object sourceValue, Type destinationType, IFormatProvider formatProvider, bool ignoreCase)
    {
        var value = (PSObject)sourceValue;
        var time = Part<DateTime>(value, "UtcDateTime") ?? throw new PSInvalidCastException(
            string.Create(CultureInfo.InvariantCulture, $"'{sourceValue}' has no UtcDateTime."));
        return new DateTimeOffset(time.ToUniversalTime()).ToOffset(Part<TimeSpan>(value, "Offset") ?? TimeSpan.Zero);
    }

    /// <inheritdoc/>
    public override bool CanConvertTo(object sourceValue, Type destinationType) => false;

    /// <inheritdoc/>
    public override object ConvertTo(object sourceValue, Type destinationType, IFormatProvider formatProvider, bool ignoreCase) =>
        throw new PSInvalidCastException();

    private static T? Part<T>(PSObject value, string name)
        where T : struct => (value.Properties[name]?.Value is PSObject wrapped ? wrapped.BaseObject : value.Properties[name]?.Value) as T?;
}
