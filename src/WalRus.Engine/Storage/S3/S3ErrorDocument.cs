using System.Xml;

namespace WalRus.Storage.S3;

/// <summary>What S3 says of a request it refuses. Null for what the document does not hold.</summary>
/// <param name="Code">"NoSuchKey".</param>
/// <param name="Sentence">For people.</param>
/// <param name="Region">Where the bucket is, when the request was signed for another region.</param>
internal readonly record struct S3ErrorDocument(string? Code, string? Sentence, string? Region)
{
    /// <summary>Reads a document as far as it is one: a page of HTML has nothing, one that is cut short what came first.</summary>
    public static S3ErrorDocument Parse(ReadOnlyMemory<byte> text)
    {
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        var settings = new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit, XmlResolver = null };
        try
        {
            using var reader = XmlReader.Create(new MemoryStream(text.ToArray()), settings);
            if (reader.MoveToContent() == XmlNodeType.Element && reader.LocalName == "Error")
            {
                reader.Read();
                Read(reader, found);
            }
        }
        catch (XmlException)
        {
            // What came before counts.
        }

        return new(Of("Code"), Of("Message"), Of("Region"));

        string? Of(string name) => found.TryGetValue(name, out var value) && value.Length > 0 ? value : null;
    }

    private static void Read(XmlReader reader, Dictionary<string, string> found)
    {
        while (reader.NodeType is not (XmlNodeType.EndElement or XmlNodeType.None))
        {
            if (reader is { NodeType: XmlNodeType.Element, LocalName: "Code" or "Message" or "Region" })
            {
                var name = reader.LocalName;
                found[name] = reader.ReadElementContentAsString().Trim();
            }
            else
            {
                reader.Skip();
            }
        }
    }
}
