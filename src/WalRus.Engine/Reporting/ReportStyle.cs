namespace WalRus.Reporting;

/// <summary>The page's style: the reader's own fonts, light or dark as the reader's system is, one column on a phone.</summary>
internal static class ReportStyle
{
    public const string Text =
        """
        :root{--bg:#f4f6f9;--card:#fff;--text:#18202c;--muted:#536074;--line:#dde3ec;--soft:#eef2f8;
        --accent:#1f5fd6;--accent2:#7a4fd0;--bar:#a9c4f5;--good:#0f6b44;--goodbg:#dff5e9;--warn:#7d4f00;--warnbg:#fdf0d2;--bad:#ab1f18;--badbg:#fde4e1}
        @media (prefers-color-scheme:dark){:root{--bg:#0e131a;--card:#161d27;--text:#e8edf4;--muted:#a2aec0;--line:#2a3443;--soft:#1c2531;
        --accent:#6ea4ff;--accent2:#b99cff;--bar:#2f4d80;--good:#6edba5;--goodbg:#123527;--warn:#f3c364;--warnbg:#3a2c0c;--bad:#ff9a92;--badbg:#421a18}}
        *{box-sizing:border-box}
        html{-webkit-text-size-adjust:100%}
        body{margin:0;background:var(--bg);color:var(--text);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;overflow-wrap:anywhere}
        header,main,footer{max-width:1120px;margin:0 auto;padding:0 24px}
        header{display:flex;flex-wrap:wrap;gap:8px 24px;justify-content:space-between;align-items:flex-end;padding-top:32px;padding-bottom:20px}
        h1{font-size:1.75rem;line-height:1.2;margin:0;letter-spacing:-.01em}
        h2{font-size:1.125rem;margin:0 0 12px}
        h3{font-size:.9375rem;margin:20px 0 6px;font-weight:600}
        p{margin:0 0 12px}
        header p{margin:4px 0 0}
        .muted{color:var(--muted);font-size:.875rem}
        .stamp{display:flex;gap:12px;align-items:center;flex-wrap:wrap}
        section{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:20px 24px;margin:0 0 20px}
        .cards{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:16px;background:none;border:0;padding:0}
        .card{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:16px 20px}
        .card h2{font-size:.8125rem;font-weight:600;color:var(--muted);margin:0}
        .card p{margin:0}
        .figure{font-size:1.75rem;line-height:1.3;font-weight:650;letter-spacing:-.02em;font-variant-numeric:tabular-nums}
        .pill{display:inline-block;border-radius:999px;padding:2px 10px;font-size:.8125rem;font-weight:600;white-space:nowrap}
        .pill.good{color:var(--good);background:var(--goodbg)}.pill.warn{color:var(--warn);background:var(--warnbg)}.pill.bad{color:var(--bad);background:var(--badbg)}
        .findings{list-style:none;margin:0;padding:0;display:grid;gap:10px}
        .findings li{display:grid;grid-template-columns:7.6rem minmax(0,1fr);gap:12px;align-items:start}
        .findings .pill{justify-self:start}
        .legend{display:flex;flex-wrap:wrap;gap:4px 18px;color:var(--muted);font-size:.875rem}
        .legend span{display:inline-flex;align-items:center;gap:6px}
        .key{display:inline-block;width:14px;height:10px;border-radius:2px}
        .key.wal{background:var(--bar)}.key.gap{background:var(--bad)}.key.restored{background:var(--bar)}.key.stored{background:var(--accent)}
        .key.full{background:var(--accent);width:10px;border-radius:50%}.key.delta{background:var(--accent2);width:10px;border-radius:50%}
        svg{display:block;width:100%}
        .line{height:44px;overflow:visible}
        .track{stroke:var(--line);stroke-width:2;vector-effect:non-scaling-stroke}
        rect.wal,rect.restored{fill:var(--bar)}rect.gap{fill:var(--bad);stroke:var(--bad);stroke-width:2;vector-effect:non-scaling-stroke}rect.stored{fill:var(--accent)}
        path.full,path.delta{fill:none;stroke:var(--accent);stroke-width:2;vector-effect:non-scaling-stroke}
        path.delta{stroke:var(--accent2)}
        path.dot{stroke-width:10;stroke-linecap:round}
        .grid{stroke:var(--line);fill:none;vector-effect:non-scaling-stroke}
        .axis{display:flex;justify-content:space-between;color:var(--muted);font-size:.8125rem;margin:4px 0 16px;font-variant-numeric:tabular-nums}
        .chart{display:grid;grid-template-columns:auto minmax(0,1fr);gap:10px}
        .bars{height:160px}
        .scale{display:flex;flex-direction:column;justify-content:space-between;text-align:right;color:var(--muted);font-size:.8125rem;line-height:1;min-width:4rem}
        .axis.inset{margin:6px 0 0 calc(4rem + 10px)}
        .strip{display:flex;flex-wrap:wrap;gap:4px}
        .strip i{width:14px;height:20px;border-radius:4px;background:var(--good)}.strip i.bad{background:var(--bad);border-radius:50%;height:14px;align-self:center}
        table{border-collapse:collapse;width:100%;font-size:.875rem}
        caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
        th{text-align:left;font-weight:600;color:var(--muted);border-bottom:1px solid var(--line);padding:6px 10px 6px 0;vertical-align:bottom}
        td{border-bottom:1px solid var(--line);padding:8px 10px 8px 0;vertical-align:top}
        tr:last-child td{border-bottom:0}
        .after{margin:14px 0 0}
        .number{font-variant-numeric:tabular-nums;white-space:nowrap}
        code{font:.8125rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
        td small{display:block;color:var(--muted);margin-top:4px;max-width:18rem}
        details{margin-top:8px}summary{cursor:pointer;color:var(--accent);font-size:.875rem;padding:6px 0}
        @media (min-width:821px){code{white-space:nowrap}}
        time{white-space:nowrap;font-variant-numeric:tabular-nums}
        footer{padding-top:4px;padding-bottom:40px;color:var(--muted);font-size:.8125rem}
        @media (max-width:820px){.cards{grid-template-columns:repeat(2,minmax(0,1fr))}
        table,tbody,tr,td{display:block}thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
        tr{border:1px solid var(--line);border-radius:10px;padding:6px 12px;margin:0 0 10px}
        td{display:grid;grid-template-columns:minmax(6.5rem,38%) minmax(0,1fr);gap:10px;padding:4px 0;border:0}
        td::before{content:attr(data-label);color:var(--muted)}
        td small{grid-column:1/-1;max-width:none}td.none{display:none}}
        @media (max-width:520px){path.full,path.delta{stroke-width:1.5}path.full.dot,path.delta.dot{stroke-width:6}header,main,footer{padding-left:14px;padding-right:14px}section{padding:16px}.cards{gap:10px}.card{padding:12px 14px}
        .figure{font-size:1.375rem}h1{font-size:1.375rem}.axis span:nth-child(2),.axis span:nth-child(4){display:none}.axis.inset span:nth-child(2){display:inline}
        .findings li{grid-template-columns:minmax(0,1fr);gap:4px}.scale{min-width:3.4rem}.axis.inset{margin-left:calc(3.4rem + 10px)}}
        @media print{:root{--bg:#fff;--card:#fff;--text:#000;--muted:#444;--line:#bbb}body{font-size:11pt}section,.card,tr{break-inside:avoid}
        section{border-radius:0;border-left:0;border-right:0;padding-left:0;padding-right:0}*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
        """;
}
