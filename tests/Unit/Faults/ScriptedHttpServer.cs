using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace WalRus.Tests.Faults;

/// <summary>
/// A small HTTP/1.1 server on a free loopback port that answers as a test's script says, and can do what a real server
/// will not do on demand: cut a connection at a byte, go silent, send half a body.
/// </summary>
internal sealed class ScriptedHttpServer : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource stopping = new();
    private readonly Func<ScriptedRequest, ScriptedReply> script;
    private readonly X509Certificate2? certificate;
    private readonly Task accepting;

    public ScriptedHttpServer(Func<ScriptedRequest, ScriptedReply> script, X509Certificate2? certificate = null)
    {
        this.script = script;
        this.certificate = certificate;
        listener.Start();
        accepting = AcceptAsync();
    }

    /// <summary>Every request in the order they came.</summary>
    public ConcurrentQueue<ScriptedRequest> Requests { get; } = [];

    public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    public string Address => $"{(certificate is null ? "http" : "https")}://localhost:{Port}";

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        listener.Stop();
        await accepting;
        stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        var serving = new List<Task>();
        try
        {
            while (true)
            {
                serving.Add(ServeAsync(await listener.AcceptTcpClientAsync(stopping.Token)));
            }
        }
        catch (Exception ended) when (ended is OperationCanceledException or SocketException)
        {
            await Task.WhenAll(serving);
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        {
            try
            {
                client.NoDelay = true;
                await using var stream = await SecureAsync(client.GetStream());
                while (await ReadRequestAsync(stream) is { } request)
                {
                    Requests.Enqueue(request);
                    var reply = script(request);
                    await request.Body.ReadAsync(stream, reply, stopping.Token);
                    if (!await ReplyAsync(client, stream, request, reply))
                    {
                        return;
                    }
                }
            }
            catch (Exception gone) when (gone is IOException or SocketException or OperationCanceledException
                or System.Security.Authentication.AuthenticationException or ObjectDisposedException)
            {
                // The client left, or the test ended.
            }
        }
    }

    private async Task<Stream> SecureAsync(NetworkStream plain)
    {
        if (certificate is null)
        {
            return plain;
        }

        var secure = new SslStream(plain);
        await secure.AuthenticateAsServerAsync(
            new SslServerAuthenticationOptions { ServerCertificate = certificate }, stopping.Token);
        return secure;
    }

    private async Task<ScriptedRequest?> ReadRequestAsync(Stream stream)
    {
        var head = new StringBuilder();
        var one = new byte[1];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            if (await stream.ReadAsync(one, stopping.Token) == 0)
            {
                return null;
            }

            head.Append((char)one[0]);
        }

        return ScriptedRequest.Parse(head.ToString(), Requests.Count + 1);
    }

    /// <returns>False when the connection is at its end.</returns>
    private async Task<bool> ReplyAsync(TcpClient client, Stream stream, ScriptedRequest request, ScriptedReply reply)
    {
        if (reply.Status == 0)
        {
            return await EndAsync(client, reply);
        }

        var head = new StringBuilder($"HTTP/1.1 {reply.Status} Scripted\r\n");
        foreach (var (name, value) in reply.Headers)
        {
            head.Append(CultureInfo.InvariantCulture, $"{name}: {value}\r\n");
        }

        head.Append(CultureInfo.InvariantCulture, $"Content-Length: {reply.Body.Length}\r\n\r\n");
        await stream.WriteAsync(Encoding.ASCII.GetBytes(head.ToString()), stopping.Token);
        var body = request.Method == "HEAD" ? ReadOnlyMemory<byte>.Empty : reply.Body;
        await stream.WriteAsync(body[..(int)Math.Min(body.Length, reply.BodyBytes ?? long.MaxValue)], stopping.Token);
        await stream.FlushAsync(stopping.Token);
        return reply.BodyBytes is null || await EndAsync(client, reply);
    }

    private async Task<bool> EndAsync(TcpClient client, ScriptedReply reply)
    {
        if (reply.Hangs)
        {
            await Task.Delay(Timeout.Infinite, stopping.Token);
        }

        // What was sent must arrive before the reset does.
        await Task.Delay(50, stopping.Token);
        client.Client.LingerState = new LingerOption(true, reply.Resets ? 0 : 5);
        return false;
    }
}

/// <summary>What a client asked.</summary>
internal sealed record ScriptedRequest(int Number, string Method, string Target, IReadOnlyDictionary<string, string> Headers)
{
    public string Path => Uri.UnescapeDataString(Target.Split('?')[0]);

    public string Query => Target.Contains('?', StringComparison.Ordinal) ? Target[(Target.IndexOf('?') + 1)..] : "";

    public ScriptedBody Body { get; } = new(
        long.Parse(Headers.GetValueOrDefault("Content-Length", "0"), null),
        Headers.GetValueOrDefault("Expect") == "100-continue");

    /// <summary>The range's first and last byte, if it has one.</summary>
    public (long First, long? Last)? Range
    {
        get
        {
            if (!Headers.TryGetValue("Range", out var text))
            {
                return null;
            }

            var parts = text["bytes=".Length..].Split('-');
            return (long.Parse(parts[0], null), parts[1].Length == 0 ? null : long.Parse(parts[1], null));
        }
    }

    public static ScriptedRequest Parse(string head, int number)
    {
        var lines = head.Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        var first = lines[0].Split(' ');
        var headers = lines.Skip(1).Select(line => line.Split(':', 2))
            .GroupBy(pair => pair[0], StringComparer.OrdinalIgnoreCase)
            .ToDictionary(group => group.Key, group => group.First()[1].Trim(), StringComparer.OrdinalIgnoreCase);
        return new ScriptedRequest(number, first[0], first[1], headers);
    }
}

/// <summary>A request's body, read once the script has said how much of it to take.</summary>
internal sealed class ScriptedBody(long length, bool expectsContinue)
{
    public byte[] Content { get; private set; } = [];

    public async Task ReadAsync(Stream stream, ScriptedReply reply, CancellationToken cancellationToken)
    {
        if (length == 0 || reply.TakesNoBody)
        {
            return;
        }

        if (expectsContinue)
        {
            await stream.WriteAsync("HTTP/1.1 100 Continue\r\n\r\n"u8.ToArray(), cancellationToken);
        }

        Content = new byte[Math.Min(length, reply.RequestBytes ?? long.MaxValue)];
        await stream.ReadExactlyAsync(Content, cancellationToken);
    }
}

/// <summary>How the server answers.</summary>
internal sealed record ScriptedReply(int Status, ReadOnlyMemory<byte> Body = default)
{
    /// <summary>Neither an answer nor a word more.</summary>
    public static ScriptedReply Silence { get; } = new(0) { Hangs = true };

    /// <summary>The connection is reset instead of an answer.</summary>
    public static ScriptedReply Reset { get; } = new(0) { Resets = true };

    public IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>();

    /// <summary>How many bytes of the body are sent before the connection ends; null for all of them.</summary>
    public long? BodyBytes { get; init; }

    /// <summary>How many bytes of the request's body are taken; null for all of them.</summary>
    public long? RequestBytes { get; init; }

    /// <summary>Answers without reading the request's body.</summary>
    public bool TakesNoBody { get; init; }

    /// <summary>The connection stays open in silence instead of ending.</summary>
    public bool Hangs { get; init; }

    /// <summary>The connection ends with a reset instead of an orderly end.</summary>
    public bool Resets { get; init; }

    /// <summary>S3's form of an error.</summary>
    public static ScriptedReply Error(int status, string code, string message = "As the script says.") => new(
        status, Encoding.UTF8.GetBytes($"<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"))
    {
        Headers = new Dictionary<string, string> { ["Content-Type"] = "application/xml" },
    };

    public static ScriptedReply Xml(string text) => new(200, Encoding.UTF8.GetBytes(text));

    /// <summary>The part of an object that a GET asks for.</summary>
    public static ScriptedReply Object(ScriptedRequest request, byte[] content, string etag = "\"one\"")
    {
        var (first, last) = request.Range ?? (0, null);
        var end = (int)Math.Min(content.Length - 1, last ?? long.MaxValue);
        return new ScriptedReply(206, content.AsMemory((int)first, end - (int)first + 1))
        {
            Headers = new Dictionary<string, string>
            {
                ["ETag"] = etag,
                ["Content-Range"] = $"bytes {first}-{end}/{content.Length}",
                ["Last-Modified"] = "Mon, 06 May 2024 07:08:09 GMT",
            },
        };
    }

    public ScriptedReply With(string header, string value) =>
        this with { Headers = new Dictionary<string, string>(Headers) { [header] = value } };
}
