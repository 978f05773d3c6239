using System.Buffers;
using System.Text;
using System.Text.Json;
using WalRus.WalG;

namespace WalRus.Cli.Terminal;

/// <summary>JSON on standard output as wal-g's library prints it: its escapes, four blanks, a line end after it.</summary>
internal static class JsonOutput
{
    public static void Write(TextWriter output, bool indented, Action<Utf8JsonWriter> content)
    {
        var buffer = new ArrayBufferWriter<byte>(4096);
        var options = new JsonWriterOptions
        {
            Encoder = GoJsonEncoder.Instance,
            Indented = indented,
            IndentSize = 4,
            NewLine = "\n",
        };
        using (var writer = new Utf8JsonWriter(buffer, options))
        {
            content(writer);
        }

        output.Write(Encoding.UTF8.GetString(buffer.WrittenSpan));
        output.Write("\n");
    }
}
