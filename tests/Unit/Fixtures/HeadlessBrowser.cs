using System.Diagnostics;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace WalRus.Tests;

/// <summary>
/// A real Chromium without a window, driven over its DevTools protocol: opens a page at a width and a colour scheme, tells
/// what it logged and whether it fits, takes pictures. Network is off.
/// </summary>
internal sealed class HeadlessBrowser : IAsyncDisposable
{
    private static readonly string[] Names =
        ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "msedge", "chrome.exe", "msedge.exe"];

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly ClientWebSocket socket = new();
    private readonly Process process;
    private readonly List<string> complaints = [];
    private readonly string userData;
    private string? session;
    private int lastId;

    private HeadlessBrowser(Process process, string userData)
    {
        this.process = process;
        this.userData = userData;
    }

    /// <summary>Errors, warnings and failed requests since the last page was opened.</summary>
    public IReadOnlyList<string> Complaints => complaints;

    /// <summary>Skips the test where there is no browser.</summary>
    public static async Task<HeadlessBrowser> StartAsync()
    {
        var path = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .SelectMany(folder => Names.Select(name => Path.Combine(folder, name))).FirstOrDefault(File.Exists);
        Assert.SkipWhen(path is null, "No Chromium on this machine (apt install chromium): the report was not looked at.");
        var folder = Directory.CreateTempSubdirectory("walrus-browser-").FullName;
        var start = new ProcessStartInfo(path!)
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            ArgumentList =
            {
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
                "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0", $"--user-data-dir={folder}", "about:blank",
            },
        };
        var browser = new HeadlessBrowser(Process.Start(start)!, folder);
        try
        {
            await browser.ConnectAsync();
            return browser;
        }
        catch
        {
            await browser.DisposeAsync();
            throw;
        }
    }

    /// <summary>Opens a file at a width, light or dark, and waits until it is drawn.</summary>
    public async Task OpenAsync(string file, int width, bool dark, bool print = false)
    {
        complaints.Clear();
        await SendAsync("Emulation.setDeviceMetricsOverride", new { width, height = 900, deviceScaleFactor = 1, mobile = width < 600 });
        await SendAsync("Emulation.setEmulatedMedia", new
        {
            media = print ? "print" : "screen",
            features = new[] { new { name = "prefers-color-scheme", value = dark ? "dark" : "light" } },
        });
        await SendAsync("Page.navigate", new { url = new Uri(file).AbsoluteUri });
        for (var waited = Stopwatch.StartNew(); await EvaluateAsync<string>("document.readyState + location.protocol") != "completefile:"; await Task.Delay(20))
        {
            Assert.True(waited.Elapsed < Limit, "The page was not drawn in time.");
        }
    }

    public async Task<T> EvaluateAsync<T>(string expression)
    {
        var answer = await SendAsync("Runtime.evaluate", new { expression, returnByValue = true });
        Assert.True(answer["exceptionDetails"] is null, answer.ToJsonString());
        return answer["result"]!["value"]!.GetValue<T>();
    }

    /// <summary>The whole page as PNG.</summary>
    public async Task<byte[]> ScreenshotAsync()
    {
        var answer = await SendAsync("Page.captureScreenshot", new { format = "png", captureBeyondViewport = true });
        return Convert.FromBase64String(answer["data"]!.GetValue<string>());
    }

    public async ValueTask DisposeAsync()
    {
        process.Kill(entireProcessTree: true);
        await process.WaitForExitAsync();
        process.Dispose();
        socket.Dispose();
        for (var tries = 0; Directory.Exists(userData); tries++)
        {
            try
            {
                Directory.Delete(userData, recursive: true);
            }
            catch (IOException) when (tries < 50)
            {
                // A child of the browser that was just killed may still write.
                await Task.Delay(50);
            }
        }
    }

    private async Task ConnectAsync()
    {
        using var limit = new CancellationTokenSource(Limit);
        string? line;
        const string Mark = "DevTools listening on ";
        while ((line = await process.StandardError.ReadLineAsync(limit.Token)) is not null && !line.StartsWith(Mark, StringComparison.Ordinal))
        {
        }

        Assert.True(line is not null, "The browser ended before it listened.");
        _ = process.StandardError.ReadToEndAsync(CancellationToken.None);
        _ = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        await socket.ConnectAsync(new Uri(line![Mark.Length..]), limit.Token);
        var target = await SendAsync("Target.createTarget", new { url = "about:blank" });
        var attached = await SendAsync("Target.attachToTarget", new { targetId = target["targetId"]!.GetValue<string>(), flatten = true });
        session = attached["sessionId"]!.GetValue<string>();
        foreach (var domain in new[] { "Page", "Runtime", "Log", "Network" })
        {
            await SendAsync($"{domain}.enable", new { });
        }

        await SendAsync("Network.emulateNetworkConditions", new { offline = true, latency = 0, downloadThroughput = -1, uploadThroughput = -1 });
    }

    private async Task<JsonNode> SendAsync(string method, object parameters)
    {
        using var limit = new CancellationTokenSource(Limit);
        var id = ++lastId;
        var message = new JsonObject { ["id"] = id, ["method"] = method, ["params"] = JsonSerializer.SerializeToNode(parameters) };
        if (session is not null)
        {
            message["sessionId"] = session;
        }

        await socket.SendAsync(Encoding.UTF8.GetBytes(message.ToJsonString()), WebSocketMessageType.Text, true, limit.Token);
        while (true)
        {
            var answer = await ReceiveAsync(limit.Token);
            if (answer["id"]?.GetValue<int>() == id)
            {
                Assert.True(answer["error"] is null, $"{method}: {answer["error"]?.ToJsonString()}");
                return answer["result"]!;
            }

            Note(answer);
        }
    }

    private void Note(JsonNode message)
    {
        var said = message["method"]?.GetValue<string>() switch
        {
            "Runtime.exceptionThrown" or "Network.loadingFailed" => message["params"]!.ToJsonString(),
            "Log.entryAdded" => message["params"]!["entry"]!.ToJsonString(),
            "Runtime.consoleAPICalled" => message["params"]!.ToJsonString(),
            _ => null,
        };
        if (said is not null)
        {
            complaints.Add(said);
        }
    }

    private async Task<JsonNode> ReceiveAsync(CancellationToken cancellationToken)
    {
        using var whole = new MemoryStream();
        var buffer = new byte[64 * 1024];
        WebSocketReceiveResult part;
        do
        {
            part = await socket.ReceiveAsync(buffer, cancellationToken);
            whole.Write(buffer, 0, part.Count);
        }
        while (!part.EndOfMessage);
        return JsonNode.Parse(whole.ToArray())!;
    }
}
