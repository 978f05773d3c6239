using System.Buffers;
using System.Text;
using System.Text.Json;
using WalRus.WalG;

namespace WalRus.Cli.Terminal;

/// <summary>JSON on standard output as wal-g's library prints it: its escapes, four blanks, a line end after it.</summary>
internal static class JsonOutput
{
    /// <summary>Written as it comes: a document of any length takes little memory.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="indented">Four blanks a level.</param>
    /// <param name="content">Writes the document.</param>
    /// <param name="end">What follows it; some of wal-g's documents end without a line end.</param>
    public static void Write(TextWriter output, bool indented, Action<Utf8JsonWriter> content, string end = "\n")
    {
        var options = new JsonWriterOptions
        {
            Encoder = GoJsonEncoder.Instance,
            Indented = indented,
            IndentSize = 4,
            NewLine = "\n",
        };
        using (var writer = new Utf8JsonWriter(new TextBuffer(output), options))
        {
            content(writer);
        }

        output.Write(end);
    }

    /// <summary>Hands over what the JSON writer has filled, whenever it asks for more room.</summary>
    private sealed class TextBuffer(TextWriter output) : IBufferWriter<byte>
    {
        private readonly Decoder decoder = Encoding.UTF8.GetDecoder();
        private byte[] bytes = new byte[4096];
        private char[] text = new char[4096];

        public void Advance(int count)
        {
            text = text.Length > count ? text : new char[count + 1];
            output.Write(text, 0, decoder.GetChars(bytes, 0, count, text, 0));
        }

        public Memory<byte> GetMemory(int sizeHint = 0)
        {
            bytes = bytes.Length >= sizeHint ? bytes : new byte[sizeHint];
            return bytes;
        }

        public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;
    }
}
