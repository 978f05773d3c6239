using System.Text.RegularExpressions;
using System.Xml.Linq;
using WalRus.Reporting;

namespace WalRus.Tests.Reporting;

public sealed class ReportPageTests
{
    [Fact]
    public void Every_value_is_escaped()
    {
        var page = Page(ReportSample.Full() with { Request = ReportSample.Request("x") with { Title = ReportSample.Hostile, Location = ReportSample.Hostile } });

        Assert.DoesNotContain("<script", page, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("\"quoted\"", page, StringComparison.Ordinal);
        Assert.True(Regex.Count(page, Regex.Escape("&lt;script&gt;alert")) >= 5);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_page_is_well_formed_and_needs_nothing_from_outside(bool full)
    {
        var page = Page(full ? ReportSample.Full() : ReportSample.Empty());

        // Void elements aside, the page is XML: every element that is opened is closed.
        var xml = Regex.Replace(page.Replace("<!DOCTYPE html>", "", StringComparison.Ordinal), "<(meta|link)([^>]*)>", "<$1$2/>");
        var document = XDocument.Parse(xml);
        var references = document.Descendants().Attributes()
            .Where(attribute => attribute.Name.LocalName is "src" or "href" or "data" or "action" or "srcset").Select(attribute => attribute.Value);
        Assert.Equal(["data:,"], references);
        Assert.DoesNotContain("url(", page, StringComparison.Ordinal);
        Assert.DoesNotContain("@import", page, StringComparison.Ordinal);
        Assert.Empty(document.Descendants("script"));
    }

    [Fact]
    public void Headings_descend_one_step_at_a_time_and_tables_name_their_columns()
    {
        var page = Page(ReportSample.Full());
        var levels = Regex.Matches(page, "<h([1-6])").Select(match => match.Groups[1].Value[0] - '0').ToList();
        Assert.Equal(1, levels[0]);
        Assert.All(levels.Zip(levels.Skip(1)), pair => Assert.True(pair.Second <= pair.First + 1));
        Assert.Equal(Regex.Count(page, "<table"), Regex.Count(page, "<caption>"));
        Assert.Equal(Regex.Count(page, "<th "), Regex.Count(page, "<th [^>]*scope=\"col\""));
        Assert.Equal(Regex.Count(page, "<svg"), Regex.Count(page, "<svg[^>]*aria-label=\"[^\"]+\""));
    }

    [Fact]
    public void The_worst_finding_stands_at_the_top()
    {
        Assert.Contains("pill bad\">Action needed", Page(ReportSample.Full()), StringComparison.Ordinal);
        var good = ReportSample.Full();
        good = good with
        {
            Unreadable = [],
            Timelines = [good.Timelines[0], good.Timelines[1] with { Gaps = [], Recovery = good.Timelines[1].Recovery with { Gaps = [] } }],
        };
        Assert.Equal([new ReportFinding(ReportGrade.Good, "Backups, WAL and drills are within their limits.")], ReportFindings.Of(good));
        var late = good with { Now = ReportSample.Now.AddDays(60) };
        Assert.Equal(2, ReportFindings.Of(late).Count(finding => finding.Grade == ReportGrade.Attention));
        Assert.Equal(
            [ReportGrade.Bad, ReportGrade.Bad, ReportGrade.Attention], ReportFindings.Of(ReportSample.Empty()).Select(finding => finding.Grade));
    }

    [Fact]
    public void Positions_between_known_moments_are_interpolated_and_time_never_runs_backwards()
    {
        var clock = new WalClock();
        clock.Add(new(100), ReportSample.Now);
        clock.Add(new(200), ReportSample.Now.AddHours(2));
        clock.Add(new(150), ReportSample.Now.AddHours(9));

        Assert.Equal(ReportSample.Now.AddHours(1), clock.At(new(150)));
        Assert.Equal(ReportSample.Now, clock.At(new(1)));
        Assert.Equal(ReportSample.Now.AddHours(2), clock.At(new(999)));
    }

    [Theory]
    [InlineData(0.5, "0.5 s")]
    [InlineData(75, "1 min 15 s")]
    [InlineData(1890, "32 min")]
    [InlineData(7500, "2 h 5 min")]
    [InlineData(100_000, "1 d 3 h")]
    [InlineData(864_000, "10 days")]
    [InlineData(-5, "0.0 s")]
    public void Durations_have_two_figures_at_most(double seconds, string expected) =>
        Assert.Equal(expected, ReportText.Duration(TimeSpan.FromSeconds(seconds)));

    internal static string Page(ReportData data)
    {
        using var text = new StringWriter();
        ReportPage.Write(text, data, ReportFindings.Of(data));
        return text.ToString();
    }
}
