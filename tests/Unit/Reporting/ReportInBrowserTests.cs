namespace WalRus.Tests.Reporting;

/// <summary>
/// The page in a real browser: wide and narrow, light and dark, on paper. WALRUS_TEST_SCREENSHOTS names a folder that
/// keeps the pictures.
/// </summary>
public sealed class ReportInBrowserTests
{
    [Theory]
    [InlineData("full")]
    [InlineData("empty")]
    public async Task The_page_is_drawn_without_a_complaint_and_fits_every_width(string which)
    {
        await using var browser = await HeadlessBrowser.StartAsync();
        using var folder = new TemporaryFolder();
        var file = folder["report.html"];
        await File.WriteAllTextAsync(
            file, ReportPageTests.Page(which == "full" ? ReportSample.Full() : ReportSample.Empty()), TestContext.Current.CancellationToken);
        foreach (var (width, dark) in new[] { (1280, false), (1280, true), (820, false), (360, false), (360, true) })
        {
            await browser.OpenAsync(file, width, dark);
            Assert.Empty(browser.Complaints);
            Assert.True(
                await browser.EvaluateAsync<int>("document.documentElement.scrollWidth") <= width, await WidestAsync(browser, width));
            Assert.Equal("[]", await browser.EvaluateAsync<string>(LowContrast));
            await KeepAsync(browser, $"{which}-{width}-{(dark ? "dark" : "light")}.png");
        }

        await browser.OpenAsync(file, 800, dark: true, print: true);
        Assert.Equal("rgb(255, 255, 255)", await browser.EvaluateAsync<string>("getComputedStyle(document.body).backgroundColor"));
    }

    /// <summary>Texts whose contrast with what is behind them is below WCAG's AA (4.5, large 3), as JSON.</summary>
    private const string LowContrast =
        """
        (() => {
          const parse = c => c.match(/[\d.]+/g).map(Number);
          const lum = c => { const [r, g, b] = c.map(v => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
          const behind = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c.slice(0, 3); } return [255, 255, 255]; };
          const bad = new Set();
          for (const e of document.body.querySelectorAll('*')) {
            if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
            const style = getComputedStyle(e), a = lum(parse(style.color).slice(0, 3)), b = lum(behind(e));
            const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), size = parseFloat(style.fontSize);
            if (ratio < (size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5)) bad.add(`${e.tagName}.${e.className} ${ratio.toFixed(2)}`);
          }
          return JSON.stringify([...bad]);
        })()
        """;

    private static Task<string> WidestAsync(HeadlessBrowser browser, int width) => browser.EvaluateAsync<string>(
        $"[...document.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > {width}).map(e => e.outerHTML.slice(0, 120)).slice(0, 5).join('\\n') || 'nothing'");

    private static async Task KeepAsync(HeadlessBrowser browser, string name)
    {
        if (Environment.GetEnvironmentVariable("WALRUS_TEST_SCREENSHOTS") is { Length: > 0 } folder)
        {
            Directory.CreateDirectory(folder);
            await File.WriteAllBytesAsync(Path.Combine(folder, name), await browser.ScreenshotAsync());
        }
    }
}
