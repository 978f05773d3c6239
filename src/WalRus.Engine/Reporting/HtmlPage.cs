using System.Globalization;
using System.Text.Encodings.Web;

namespace WalRus.Reporting;

/// <summary>Text that is markup already.</summary>
internal readonly record struct Markup(string Text);

/// <summary>Writes HTML from templates. Every value put into one is escaped, unless it is <see cref="Markup"/>.</summary>
internal sealed class HtmlPage(TextWriter output, TimeZoneInfo zone)
{
    public void Write(FormattableString template)
    {
        var values = template.GetArguments();
        for (var index = 0; index < values.Length; index++)
        {
            values[index] = Escaped(values[index]);
        }

        output.WriteLine(string.Format(CultureInfo.InvariantCulture, template.Format, values));
    }

    /// <summary>A constant part of the page.</summary>
    public void WriteRaw(string markup) => output.WriteLine(markup);

    /// <summary>A moment, in the page's zone, with the exact one for machines.</summary>
    public Markup Time(DateTimeOffset? moment) => new(moment is not { } time ? "" : string.Create(
        CultureInfo.InvariantCulture,
        $"<time datetime=\"{time.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}\">{Local(time):yyyy-MM-dd HH:mm}</time>"));

    public DateTimeOffset Local(DateTimeOffset time) => TimeZoneInfo.ConvertTime(time, zone);

    public static string Escape(string text) => HtmlEncoder.Default.Encode(text);

    private static string Escaped(object? value) => value switch
    {
        Markup markup => markup.Text,
        double number => number.ToString("0.##", CultureInfo.InvariantCulture),
        _ => Escape(Convert.ToString(value, CultureInfo.InvariantCulture) ?? ""),
    };
}
