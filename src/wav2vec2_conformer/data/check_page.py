"""The check of a data set as one HTML page that needs nothing else to open."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

# A page with more rows is slow to open; report.json has them all.
MAX_ROWS = 2_000

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; vertical-align: top;
  border-bottom: 1px solid color-mix(in srgb, currentColor 18%, transparent); }
td.number, th.number { text-align: right; white-space: nowrap; }
td.path { overflow-wrap: anywhere; }
.dropped { color: #b4460f; } .quiet { opacity: .7; }
@media (prefers-color-scheme: dark) { .dropped { color: #f0a060; } }
.big { font-size: 2rem; font-weight: 600; } .cards { display: flex; gap: 2.5rem; flex-wrap: wrap; }
img { max-width: 100%; background: #fff; border-radius: 4px; }
bdi.sign { font-size: 1.25rem; }
"""


def render_page(report: Mapping[str, Any], title: str, plot: bytes | None) -> str:
    """Return the page of a report.

    Args:
        report: From `build_report`, perhaps with `valid`, a report of its own.
        title: What was checked.
        plot: PNG of the durations, None for no picture.
    """
    summary = report["summary"]
    cards = [
        (f"{summary['utterances']}", "utterances"),
        (f"{summary['hours']:.2f}", "hours"),
        (f"{summary['speakers']}", "speakers"),
        (f"{summary['kept_utterances']}", "kept utterances"),
        (f"{summary['kept_hours']:.2f}", "kept hours"),
    ]
    head = (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>Check of {escape(title)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>Check of {escape(title)}</h1><div class='cards'>"
    )
    parts = [
        head,
        *(f"<div><div class='big'>{value}</div>{name}</div>" for value, name in cards),
        "</div><h2>Findings</h2>",
        _findings_table(report),
        "<h2>Durations</h2>",
        _durations(report, plot),
    ]
    if "valid" in report:
        checked = report["valid"]["summary"]
        parts += [
            "<h2>Validation data</h2>",
            f"<p>{checked['utterances']} utterances, {checked['hours']:.2f} hours.</p>",
            "<p class='quiet'>It is checked and never changed.</p>",
            _findings_table(report["valid"]),
        ]
    if report["utterances"]:
        parts += ["<h2>Utterances with findings</h2>", _utterances_table(report["utterances"])]
    if report["characters"]:
        parts += ["<h2>Characters</h2>", _characters_table(report["characters"])]
    return "".join([*parts, "</body></html>\n"])


def _findings_table(report: Mapping[str, Any]) -> str:
    if not report["findings"]:
        return "<p>Nothing was found.</p>"
    return _table(
        ["finding", "what it means", "#utterances", "#minutes", "in the cleaned manifest"],
        [
            [
                escape(name),
                escape(found["meaning"]),
                f"#{found['utterances']}",
                f"#{60 * found['hours']:.1f}",
                "<span class='dropped'>dropped</span>" if found["dropped"] else "kept",
            ]
            for name, found in report["findings"].items()
        ],
    )


def _durations(report: Mapping[str, Any], plot: bytes | None) -> str:
    durations = report["durations"]
    rates = ", ".join(f"{rate} Hz ({n})" for rate, n in report["sample_rates"].items())
    text = (
        f"<p>From {durations['p0']:.2f} to {durations['p100']:.2f} s, half of them below "
        f"{durations['p50']:.2f} s. Sample rates: {escape(rates)}.</p>"
    )
    if plot is None:
        return f"{text}<p class='quiet'>The plot needs matplotlib (the extra plots).</p>"
    encoded = base64.b64encode(plot).decode("ascii")
    return f"{text}<img alt='Histogram of durations' src='data:image/png;base64,{encoded}'>"


def _characters_table(characters: Sequence[Mapping[str, Any]]) -> str:
    return _table(
        ["character", "name", "code", "#count", "vocabulary"],
        [
            [
                f"<bdi class='sign'>{escape(entry['character'])}</bdi>",
                escape(entry["name"].lower()),
                entry["code"],
                f"#{entry['count']}",
                "" if entry["known"] else "<span class='dropped'>not in it</span>",
            ]
            for entry in characters[:MAX_ROWS]
        ],
    )


def _utterances_table(utterances: Sequence[Mapping[str, Any]]) -> str:
    # What is dropped is what a reader wants to see first.
    ordered = sorted(utterances, key=lambda entry: not entry["dropped"])
    rows = []
    for entry in ordered[:MAX_ROWS]:
        path = entry["audio_filepath"]
        place = "" if entry["offset"] is None else f" from {entry['offset']:.2f} s"
        found = "<br>".join(
            f"{escape(f['kind'])}: {escape(f['detail'].removeprefix(f'{path}: '))}"
            for f in entry["findings"]
        )
        kind = " class='dropped'" if entry["dropped"] else ""
        rows.append(
            [
                f"{escape(path)}{place}",
                f"<span{kind}>{found}</span>",
                f"<bdi>{escape(entry['text'])}</bdi>",
            ]
        )
    more = len(utterances) - MAX_ROWS
    note = f"<p class='quiet'>{more} more are in report.json.</p>" if more > 0 else ""
    return _table(["audio", "findings", "text"], rows) + note


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of cells that are HTML already; a cell that begins with # is a number."""

    def cell(tag: str, content: str) -> str:
        if content.startswith("#"):
            return f"<{tag} class='number'>{content[1:]}</{tag}>"
        return f"<{tag} class='path'>{content}</{tag}>"

    head = "".join(cell("th", name) for name in header)
    body = "".join(f"<tr>{''.join(cell('td', c) for c in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
