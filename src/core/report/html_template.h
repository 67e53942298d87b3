// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace prune2to4 {

// The partial "table": of "head" and "rows".
inline constexpr const char* kHtmlTable = R"html(<table>
<thead><tr>{{#head}}<th{{#right}} class="n"{{/right}}>{{title}}</th>{{/head}}</tr></thead>
<tbody>
{{#rows}}<tr>{{#cells}}<td class="{{css}}">{{text}}</td>{{/cells}}</tr>
{{/rows}}</tbody></table>)html";

// Mustache; {{x}} escapes, {{{chart}}} is SVG that escaped its own text. No script, nothing loaded from
// elsewhere.
inline constexpr const char* kHtmlTemplate = R"html(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{title}} - {{model}}</title>
<style>
:root { color-scheme: light dark; --bg: #ffffff; --text: #1c2128; --muted: #5c6570; --line: #d8dee4;
  --soft: #f4f6f8; --zeros: #2f7d6b; --dense: #b4bcc6; --stored: #2b66b1; --unpacked: #7d8793;
  --run1: #c2571a; --run3: #8a4fa8; --warn-line: #b7791f; --warn-bg: #fdf6e7; }
@media (prefers-color-scheme: dark) { :root { --bg: #14181d; --text: #e3e8ee; --muted: #9aa5b1;
  --line: #333b45; --soft: #1c2229; --zeros: #53b39c; --dense: #5a6572; --stored: #6ea8ec;
  --unpacked: #8b96a3; --run1: #f0935a; --run3: #c08fe0; --warn-line: #d6a243; --warn-bg: #2a2418; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.5rem 4rem; max-width: 76rem; background: var(--bg); color: var(--text);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif; }
h1 { margin: 0 0 .25rem; font-size: 1.7rem; line-height: 1.25; }
h2 { margin: 2.4rem 0 .7rem; font-size: 1.1rem; }
p { margin: .3rem 0; }
code, .mono { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: .87em; overflow-wrap: anywhere; }
.muted { color: var(--muted); }
.warnings { margin-top: 1.6rem; padding: .8rem 1rem; border-left: 4px solid var(--warn-line);
  background: var(--warn-bg); }
.warnings h2 { margin: 0 0 .3rem; }
.warnings ul { margin: 0; padding-left: 1.2rem; }
.wide { overflow-x: auto; }
.totals { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: 1rem 1.5rem;
  margin: 1.6rem 0; }
.totals div { padding-top: .5rem; border-top: 2px solid var(--line); }
.totals dt { color: var(--muted); font-size: .85em; }
.totals dd { margin: 0; font-size: 1.15rem; font-variant-numeric: tabular-nums; }
table { width: 100%; border-collapse: collapse; font-size: .87rem; }
th, td { padding: .32rem .7rem .32rem 0; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; }
th { color: var(--muted); font-weight: 600; white-space: nowrap; }
.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td.name { min-width: 23rem; }
td.model { min-width: 12rem; }
.rule { min-width: 12rem; color: var(--muted); overflow-wrap: anywhere; }
.narrow { width: auto; min-width: 22rem; }
pre { margin: 0; padding: .8rem 1rem; background: var(--soft); white-space: pre-wrap; overflow-wrap: anywhere; }
svg { display: block; width: 100%; margin-bottom: .8rem; min-width: 44rem; height: auto; }
svg text { fill: var(--text); font-size: 12px; }
svg .name { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 11px; }
svg .head { font-weight: 600; }
svg .axis { fill: var(--muted); font-size: 11px; }
svg .middle { text-anchor: middle; }
svg .value { fill: var(--muted); font-size: 11.5px; font-variant-numeric: tabular-nums; stroke: var(--bg);
  stroke-width: 3px; paint-order: stroke; }
svg .hit { fill: transparent; }
svg g:hover .hit { fill: var(--soft); }
svg .track { fill: var(--soft); stroke: var(--line); stroke-width: .5; }
svg .zeros { fill: var(--zeros); }
svg .dense { fill: var(--dense); }
svg .stored { fill: var(--stored); }
svg .unpacked { fill: var(--unpacked); }
svg .f1 { fill: var(--stored); }
svg .em { fill: var(--zeros); }
svg .end { text-anchor: end; }
svg .hair { stroke: var(--line); stroke-width: 1; }
svg .curve { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
svg .run0 { stroke: var(--stored); } svg .mark0 { fill: var(--stored); }
svg .run1 { stroke: var(--run1); stroke-dasharray: 7 5; } svg .mark1 { fill: var(--run1); }
svg .run2 { stroke: var(--zeros); } svg .mark2 { fill: var(--zeros); }
svg .run3 { stroke: var(--run3); } svg .mark3 { fill: var(--run3); }
svg .raw { stroke-width: 1; stroke-dasharray: none; opacity: .35; }
svg .grid { stroke: var(--muted); stroke-width: 1; stroke-dasharray: 2 3; }
@media print { :root { color-scheme: light; --bg: #fff; --text: #000; --muted: #444; --line: #bbb; --soft: #f2f2f2;
  --zeros: #2f7d6b; --dense: #b4bcc6; --stored: #2b66b1; --unpacked: #7d8793; --run1: #c2571a; --run3: #8a4fa8;
  --warn-bg: #fff; }
  body { max-width: none; padding: 0; font-size: 10pt; } h2 { break-after: avoid; }
  tr, .warnings { break-inside: avoid; } .wide { overflow: visible; } svg { min-width: 0; }
  rect { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
</style>
</head>
<body>
<h1>{{title}}</h1>
{{#detail}}<p>{{detail}}</p>{{/detail}}
<p class="muted"><span class="mono">{{model}}</span>, started {{started}}</p>
{{#has_totals}}<dl class="totals">
{{#totals}}<div><dt>{{name}}</dt><dd>{{value}}</dd></div>
{{/totals}}</dl>
{{/has_totals}}{{#probe}}<p>{{probe}}</p>
{{/probe}}{{#has_warnings}}<section class="warnings">
<h2>Warnings</h2>
<ul>
{{#warnings}}<li>{{text}}</li>
{{/warnings}}</ul>
</section>
{{/has_warnings}}{{#permutation}}<h2>Permutation</h2>
<p>{{permutation}}</p>
{{/permutation}}{{#has_calibration}}<h2>Calibration</h2>
<p>{{calibration}}</p>
{{/has_calibration}}{{#sensitivity}}<h2>Sensitivity</h2>
<p>{{sentence}}</p>
<div class="wide">
{{{chart}}}</div>
<div class="wide">{{>table}}</div>
{{/sensitivity}}{{#training}}<h2>Training</h2>
{{#runs}}<p>{{sentence}}</p>
{{#recipe}}<p class="muted">{{recipe}}</p>
{{/recipe}}{{/runs}}<div class="wide">
{{{chart}}}</div>
{{#has_rows}}<div class="wide">{{>table}}</div>
{{/has_rows}}{{/training}}{{#evaluation}}<h2>Exact match and F1</h2>
<p>{{sentence}}</p>
<div class="wide">
{{{chart}}}</div>
<div class="wide">{{>table}}</div>
{{/evaluation}}{{#has_layers}}<h2>Zeros and bytes by layer</h2>
<div class="wide">
{{{chart}}}</div>
<h2>Layers</h2>
<div class="wide"><table>
<thead><tr><th>Layer</th><th class="n">Shape</th><th>Type</th><th>Result</th><th class="n">Zeros</th>
<th class="n">Dense</th><th class="n">Stored</th><th class="n">Rel. error</th>
{{#has_calibration}}<th class="n">Output error</th><th class="n">By weight norm</th>
{{/has_calibration}}<th>Rule, and why not packed</th></tr></thead>
<tbody>
{{#layers}}<tr><td class="mono name">{{name}}</td><td class="n">{{shape}}</td><td>{{dtype}}</td><td>{{outcome}}</td>
<td class="n">{{zeros}}</td><td class="n">{{dense}}</td><td class="n">{{stored}}</td><td class="n">{{error}}</td>
{{#has_calibration}}<td class="n">{{output_error}}</td><td class="n">{{weight_norm_error}}</td>
{{/has_calibration}}<td class="rule">{{rule}}</td></tr>
{{/layers}}</tbody></table></div>
{{/has_layers}}<h2>Files</h2>
<div class="wide"><table>
<thead><tr><th>File</th><th>Name</th><th class="n">Size</th><th>SHA-256</th></tr></thead>
<tbody>
{{#files}}<tr><td>{{role}}</td><td class="mono">{{name}}</td><td class="n">{{size}}</td>
<td class="mono">{{sha256}}</td></tr>
{{/files}}</tbody></table></div>
{{#has_environment}}<h2>Environment</h2>
<table class="narrow"><tbody>
{{#environment}}<tr><th scope="row">{{name}}</th><td>{{value}}</td></tr>
{{/environment}}</tbody></table>
{{/has_environment}}<h2>Command</h2>
<pre><code>{{command}}</code></pre>
{{#has_timing}}<h2>Timing</h2>
<table class="narrow"><tbody>
{{#timing}}<tr><th scope="row">{{name}}</th><td class="n">{{value}}</td></tr>
{{/timing}}</tbody></table>
{{/has_timing}}</body>
</html>
)html";

}  // namespace prune2to4
