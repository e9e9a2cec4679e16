extension HTMLReport {
    /// Contrast of at least 4.5 : 1 for text in both schemes; marks differ by symbol, never by colour alone.
    static let style = """

        :root{color-scheme:light dark;--ground:#fff;--ink:#1c2128;--dim:#57606a;--line:#d0d7de;--soft:#f6f8fa;
        --pass:#116329;--passg:#dafbe1;--fail:#a40e26;--failg:#ffebe9;--warn:#7d4e00;--warng:#fff3cd;--link:#0550ae}
        @media (prefers-color-scheme:dark){:root{--ground:#0d1117;--ink:#e6edf3;--dim:#9da7b3;--line:#30363d;
        --soft:#161b22;--pass:#7ee787;--passg:#12261e;--fail:#ffa198;--failg:#3c1618;--warn:#f2cc60;--warng:#332a12;--link:#79c0ff}}
        body{background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:72rem;
        padding:1rem}
        h1{font-size:1.6rem;margin:.2rem 0}h1 small{font-size:1rem;font-weight:400;color:var(--dim)}
        h2{font-size:1.15rem;margin:1.6rem 0 .4rem;border-bottom:1px solid var(--line)}
        header{border-left:.5rem solid var(--line);padding:.2rem 1rem;background:var(--soft)}
        header.pass,header.waived{border-color:var(--pass)}header.fail{border-color:var(--fail)}
        header.incomplete,header.inconclusive{border-color:var(--warn)}
        a{color:var(--link)}.dim{color:var(--dim)}.wide{overflow-x:auto}
        table{border-collapse:collapse}th,td{padding:.2rem .55rem;text-align:left;vertical-align:top;border:1px solid var(--line);
        overflow-wrap:anywhere}th{font-weight:600;background:var(--soft)}
        caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}.wide:focus-visible{outline:2px solid var(--link)}
        .attempts th,.attempts td:not(:last-child){white-space:nowrap}tbody th{min-width:8rem}.grid tbody th{min-width:0}.grid td{text-align:center;white-space:nowrap}.grid td a{color:inherit;display:block}
        .mark{display:inline-block;min-width:1.2em;text-align:center;font-weight:700;border-radius:.2em}
        .pass,.waived{color:var(--pass);background:var(--passg)}.fail{color:var(--fail);background:var(--failg)}
        .incomplete,.inconclusive{color:var(--warn);background:var(--warng)}header{color:var(--ink)!important;background:var(--soft)!important}
        .h1{box-shadow:inset 0 -.3em color-mix(in srgb,currentcolor 25%,transparent)}
        .h0{box-shadow:inset 0 -.15em color-mix(in srgb,currentcolor 25%,transparent)}
        .h2{box-shadow:inset 0 -.55em color-mix(in srgb,currentcolor 22%,transparent)}
        .h3{box-shadow:inset 0 -.9em color-mix(in srgb,currentcolor 20%,transparent)}
        .h4{box-shadow:inset 0 -1.6em color-mix(in srgb,currentcolor 18%,transparent)}
        details{margin:.25rem 0}summary{cursor:pointer}summary:focus-visible,a:focus-visible,pre:focus-visible{outline:2px solid var(--link)}
        details.cell{border-left:3px solid var(--line);padding-left:.6rem}details.cell:target{border-color:var(--link)}
        pre{background:var(--soft);padding:.5rem;overflow-x:auto;font-size:.85rem}
        svg text{fill:var(--dim);font-size:12px}svg rect.pass{fill:var(--pass)}svg rect.fail{fill:var(--fail)}
        svg rect.running{fill:var(--warn)}svg.drawn{width:16rem;height:1.5rem}
        td:has(svg.drawn)+td{min-width:12rem}@media (max-width:40rem){svg.drawn{width:8rem}}
        .axis{stroke:var(--line)}.bound{stroke:var(--ink);stroke-width:2;stroke-dasharray:3 2}
        .interval{stroke:var(--link);stroke-width:5;opacity:.55}svg .baseline{fill:var(--ground);stroke:var(--dim);stroke-width:2}
        svg .trend{stroke:var(--link);stroke-width:1.5}svg .now{fill:var(--link)}svg circle.pass,svg circle.waived{fill:var(--pass)}svg circle.fail{fill:var(--fail)}
        svg circle.incomplete,svg circle.inconclusive{fill:var(--warn)}
        @media print{body{max-width:none;font-size:11px}details>*{display:block}details::details-content{
        content-visibility:visible!important;display:block!important}a{color:inherit}pre{white-space:pre-wrap}}

        """
}
