"""The page about a session.

Belongs here: HTML and its style. May not be here: what is found, how it is drawn.

Everything that comes from a file is escaped. No script, no address but those within the page, no clock: the same files
make the same page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from . import figures, findings
from .folder import Files
from .logs import DRAWN, Log, Recorded
from .odd import Odd, seconds

__all__ = ["MARK", "page"]

#: What every report begins with, so that one is told from another page.
MARK = '<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n<meta name="generator" content="ringacc report">\n'

_LONG_LIST = 200  # members of a list in the metadata that are shown, at most
_DEEP = 40  # levels of the metadata that are shown, at most

_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --card: #f6f7f9; --ink: #1c2127; --soft: #66707c; --rule: #dde1e6;
  --line: #1f5fa8; --warn: #b3441e; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --card: #1d2126; --ink: #e4e7eb; --soft: #98a2ae;
  --rule: #343a42; --line: #7db4f0; --warn: #f0916a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif;
  overflow-wrap: anywhere; }
main { max-width: 1180px; margin: 0 auto; padding: 20px 16px 60px; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 8px 0 4px; }
h2 { font-size: 1.3rem; margin: 44px 0 8px; padding-top: 12px; border-top: 1px solid var(--rule); }
h3 { font-size: 1rem; margin: 24px 0 6px; }
p { margin: 6px 0; } p.soft, .soft { color: var(--soft); }
a { color: var(--line); }
nav ul, ul.odd { margin: 6px 0; padding-left: 20px; }
nav ul { display: flex; flex-wrap: wrap; gap: 2px 28px; }
nav a { display: inline-block; padding: 3px 0; }
section.odd { background: var(--card); border-radius: 8px; padding: 4px 16px 12px; margin: 16px 0; }
section.odd h2 { border: 0; margin: 8px 0 0; padding: 0; }
li.grave::marker { color: var(--warn); content: "\\25B2  "; font-size: 0.8em; }
li.grave strong { color: var(--warn); }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 340px), 1fr)); gap: 12px 24px;
  align-items: start; }
figure { margin: 10px 0; min-width: 0; max-width: 620px; }
figcaption { font-size: 0.9rem; color: var(--soft); }
figure svg { display: block; width: 100%; height: auto; }
figure svg text { font-family: system-ui, sans-serif !important; }
.box { overflow-x: auto; margin: 8px 0; }
.box.wraps th, .box.wraps td { white-space: normal; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { text-align: right; padding: 3px 14px 3px 0; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; font-weight: normal; }
th { color: var(--soft); font-weight: normal; }
td.name { max-width: 22em; overflow: hidden; text-overflow: ellipsis; }
details { margin: 2px 0; } details details, .leaf { margin-left: 14px; padding-left: 8px;
  border-left: 1px solid var(--rule); }
summary { cursor: pointer; padding: 2px 0; } .leaf { padding-top: 1px; padding-bottom: 1px; }
.key { color: var(--soft); }
@media print { details > * { display: block; } }
"""


def page(
    files: Files, metadata: Any, metadata_error: str | None, logs: Sequence[tuple[Log, Recorded, list[Odd]]],
    session_odd: Sequence[Odd],
) -> str:  # fmt: skip
    """Make the page."""
    name = files.session_id or files.folder.resolve().name
    parts = [
        MARK,
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
        f"<title>{_text(name)}: session report</title>\n",
        # An icon of its own, so that no browser asks a server for one.
        '<link rel="icon" href="data:,">\n',
        f"<style>{_STYLE}</style>\n<body>\n<main>\n<h1>Session {_text(name)}</h1>\n",
        _facts(files, metadata),
        _odd(logs, session_odd),
        _contents(logs),
        _overview([log for log, _, _ in logs]),
    ]
    for place, (log, recorded, odd) in enumerate(logs):
        parts.append(_log(place, log, recorded, odd))
    parts.append('<h2 id="metadata">Metadata</h2>\n')
    if metadata_error is not None or files.metadata is None:
        parts.append("<p>There are none that can be shown; see the top of the page.</p>\n")
    else:
        parts.append(f'<p class="soft">{_text(files.metadata.name)}</p>\n{"".join(_tree("", metadata, 0))}')
    parts.append("</main>\n</body>\n</html>\n")
    return "".join(parts)


def _facts(files: Files, metadata: Any) -> str:
    """Say which session it is and when it was."""
    said = [f"folder {files.folder.resolve().name}"]
    general = metadata.get("general") if isinstance(metadata, dict) else None
    if isinstance(general, dict):
        said += [f"{word} {general[key]}" for word, key in (("from", "t_protocol_start"), ("to", "t_protocol_end"))
                 if isinstance(general.get(key), str)]  # fmt: skip
    return f'<p class="soft">{_text(", ".join(said))}</p>\n'


def _odd(logs: Sequence[tuple[Log, Recorded, list[Odd]]], session_odd: Sequence[Odd]) -> str:
    """Put what is odd at the top."""
    items = [_item(odd, "", "") for odd in session_odd]
    for is_grave in (True, False):
        for place, (log, _, found) in enumerate(logs):
            items += [_item(odd, f"log-{place}", log.name) for odd in found if odd.is_grave is is_grave]
    body = f'<ul class="odd">\n{"".join(items)}</ul>' if items else "<p>Nothing odd was found.</p>"
    return f'<section class="odd" id="odd">\n<h2>What is odd</h2>\n{body}\n</section>\n'


def _item(odd: Odd, anchor: str, log: str) -> str:
    """Make an item of what is odd, with a way to its log."""
    where = f'<a href="#{anchor}">{_text(log)}</a>: ' if anchor else ""
    kind = ' class="grave"' if odd.is_grave else ""
    return f"<li{kind}>{where}{_text(odd.text)}</li>\n"


def _contents(logs: Sequence[tuple[Log, Recorded, list[Odd]]]) -> str:
    """Make the table of contents."""
    links = [("#odd", "What is odd")]
    links += [(f"#log-{place}", log.name) for place, (log, _, _) in enumerate(logs)]
    links.append(("#metadata", "Metadata"))
    items = "".join(f'<li><a href="{anchor}">{_text(title)}</a></li>' for anchor, title in links)
    return f'<nav aria-label="Contents"><ul>{items}</ul></nav>\n'


def _overview(logs: Sequence[Log]) -> str:
    """Set the logs side by side."""
    rows = [["log", "rows", "columns", "seconds", "rate", "largest gap", "file size"]]
    for log in logs:
        if log.error is not None:
            rows.append([log.name, "cannot be read", *[""] * 5])
            continue
        has_times = log.no_times is None and len(log.times) > 1
        timing = log.timing
        rows.append([
            log.name, str(log.rows), str(len(log.columns)),
            f"{timing.end - timing.start:.3f}" if has_times else "-",
            f"{timing.rate:.1f} Hz" if has_times else "-",
            seconds(timing.largest_gap) if has_times else "-", _size(log.size),
        ])  # fmt: skip
    return _table(rows) if logs else "<p>The session has no logs.</p>\n"


def _log(place: int, log: Log, recorded: Recorded, odd: Sequence[Odd]) -> str:
    """Tell of a log."""
    parts = [f'<h2 id="log-{place}">{_text(log.name)}</h2>\n<p class="soft">{_text(log.file)}</p>\n']
    if odd:
        parts.append(f'<ul class="odd">\n{"".join(_item(one, "", "") for one in odd)}</ul>\n')
    if log.error is not None:
        return "".join(parts)
    if log.no_times is None and len(log.times):
        parts += _figures(place, log)
    parts += [_health(log, recorded), _column_table(log)]
    return "".join(parts)


def _figures(place: int, log: Log) -> Iterable[str]:
    """Draw a log: traces, intervals, rate."""
    timing = log.timing
    names = figures.all_names([trace.name for trace in log.traces])
    if log.traces:
        more = sum(column.is_number for column in log.columns) - len(log.traces)
        start, end = log.active
        whole = figures.traces(log, timing.start, timing.end, f"whole-{place}")
        zoom = figures.traces(log, start, end, f"zoom-{place}")
        rest = f" {more} more columns are in the table below." if more > 0 else ""
        yield "<h3>Traces</h3>\n" + '<div class="pair">\n'
        yield _figure(whole, f"The whole log, {seconds(timing.end - timing.start)}: {names}",
                      f"The whole log: {seconds(timing.end - timing.start)}. Gaps are marked.{rest}")  # fmt: skip
        yield _figure(zoom, f"The most active second, from {start:.3f} s to {end:.3f} s: {names}",
                      f"The most active second: {start:.3f} to {end:.3f} s.")  # fmt: skip
        yield "</div>\n"
    ends, found = findings.rates(log.times)
    if not len(found):
        return
    pace = timing.cadence
    forward = int((timing.intervals > 0).sum())
    yield "<h3>Times</h3>\n" + '<div class="pair">\n'
    if forward:
        yield _figure(
            figures.intervals(timing, f"intervals-{place}"),
            f"Histogram of {forward} intervals between rows: pace {seconds(pace.period)}, {len(timing.gaps)} gaps",
            f"Intervals from row to row. Dashed: the pace, {seconds(pace.period)}. Gaps, longer than "
            f"{seconds(pace.gap)}, are marked: {len(timing.gaps)}.",
        )
    yield _figure(
        figures.rate(log, ends, found, f"rate-{place}"),
        f"Rate over time: {found.min():.4g} to {found.max():.4g} Hz, {timing.rate:.4g} Hz over the whole log",
        f"Rate over time, in parts of {seconds((timing.end - timing.start) / len(found))}. Dashed: over the whole log, "
        f"{timing.rate:.1f} Hz.",
    )
    yield "</div>\n"


def _figure(svg: str, alternative: str, caption: str) -> str:
    """Put a figure into the page, with words for who cannot see it."""
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{_text(alternative)}" ', 1)
    return f"<figure>\n{svg}\n<figcaption>{_text(caption)}</figcaption>\n</figure>\n"


def _health(log: Log, recorded: Recorded) -> str:
    """Set what the file says of the log beside what was recorded with it."""
    timing = log.timing
    rows: list[tuple[str, str, object]] = [("rows", str(log.rows), recorded.rows)]
    health = recorded.health or {}
    if log.no_times is None and len(log.times):
        rate = None if recorded.rate is None else f"{recorded.rate:.1f} Hz (last rows)"
        largest = health.get("largest_gap")
        rows += [
            ("rate", f"{timing.rate:.1f} Hz", rate),
            ("first and last time", f"{timing.start:.3f} s, {timing.end:.3f} s", None),
            ("repeated times", str(timing.repeats), health.get("repeats")),
            ("backward steps", str(timing.backward), health.get("backward")),
            ("largest gap", seconds(timing.largest_gap), seconds(largest) if isinstance(largest, float) else largest),
            ("gaps", str(len(timing.gaps)), None),
            ("dropped frames", _dropped(log), None),
        ]
    rows += [(name, "", health[name]) for name in ("overwritten", "missed") if name in health]
    if recorded == Recorded():
        return "<h3>Health</h3>\n" + _table(
            [["", "in the file"], *([name, value] for name, value, _ in rows)], "box wraps"
        )
    cells = [[name, value, "" if said is None else str(said)] for name, value, said in rows]
    return "<h3>Health</h3>\n" + _table([["", "in the file", "in the metadata"], *cells], "box wraps")


def _dropped(log: Log) -> str:
    """Say how many frames were dropped, and who says so."""
    if log.counter is not None:
        return f"{sum(missing for _, missing in log.skips)} (by the column {log.counter})"
    return f"{log.dropped} (estimated)" if log.timing.cadence.is_regular else "unknown: no even pace"


def _column_table(log: Log) -> str:
    """Describe each column."""
    if not log.columns:
        return "<h3>Columns</h3>\n<p>None but the times.</p>\n"
    rows = [["column", "type", "least", "median", "greatest", "without a value", "note"]]
    for column in log.columns:
        note = (
            "empty" if column.is_empty
            else "constant" if column.is_constant
            else f"{column.infinite} infinite" if column.infinite
            else f"{column.different} different" if column.different is not None
            else "counts frames" if column.name == log.counter
            else ""
        )  # fmt: skip
        numbers = [_number(value) for value in (column.low, column.median, column.high)]
        rows.append([column.name, column.dtype, *numbers, str(column.missing or ""), note])
    table = _table(rows)
    if len(log.columns) > 2 * DRAWN:
        table = f"<details><summary>{len(log.columns)} columns</summary>\n{table}</details>\n"
    return f"<h3>Columns</h3>\n{table}"


def _tree(name: str, value: Any, depth: int) -> Iterable[str]:
    """Show metadata as a tree that opens and closes."""
    members: Iterable[tuple[str, Any]] | None = None
    if isinstance(value, dict):
        members = value.items()
    elif isinstance(value, list) and any(isinstance(member, dict | list) for member in value):
        members = ((str(place), member) for place, member in enumerate(value[:_LONG_LIST]))
    if members is None or not value:
        yield _leaf(name, value)
        return
    if depth >= _DEEP:
        yield _leaf(name, f"({len(value)} entries, too deep to be shown)")
        return
    if depth:
        count = f"{len(value)} {'entry' if len(value) == 1 else 'entries'}"
        yield f'<details><summary>{_text(name)} <span class="soft">({count})</span></summary>\n'
    for key, member in members:
        yield from _tree(str(key), member, depth + 1)
    if isinstance(value, list) and len(value) > _LONG_LIST:
        yield f'<div class="leaf soft">and {len(value) - _LONG_LIST} more</div>\n'
    if depth:
        yield "</details>\n"


def _leaf(name: str, value: Any) -> str:
    """Show a value of the metadata."""
    if isinstance(value, list):
        said = ", ".join(map(_plain, value[:_LONG_LIST])) or "(empty list)"
        if len(value) > _LONG_LIST:
            said += f", and {len(value) - _LONG_LIST} more"
    else:
        said = "(empty)" if value == {} else _plain(value)
    key = f'<span class="key">{_text(name)}</span> ' if name else ""
    return f'<div class="leaf">{key}{_text(said)}</div>\n'


def _plain(value: Any) -> str:
    """Spell a value as JSON has it, text without quotes."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else repr(value)


def _table(rows: Sequence[Sequence[str]], box: str = "box") -> str:
    """Make a table that scrolls in a box of its own, or wraps its cells; the first row is the head."""
    head = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in rows[0])
    body = "".join(
        "<tr>" + "".join(f"<td{_cell(place, cell)}>{_text(cell)}</td>" for place, cell in enumerate(row)) + "</tr>\n"
        for row in rows[1:]
    )
    return f'<div class="{box}" tabindex="0"><table>\n<tr>{head}</tr>\n{body}</table></div>\n'


def _cell(place: int, cell: str) -> str:
    """Give the attributes of a cell: the first may be cut, and then has its text whole."""
    return f' class="name" title="{_text(cell)}"' if place == 0 and len(cell) > 30 else ""


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, bool | int) and abs(value) < 10**9 else f"{value:.5g}"


def _size(number: float) -> str:
    """Spell a number of bytes."""
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"


def _text(text: str) -> str:
    """Escape text, and what no page may hold: halves of characters, control characters."""
    clean = "".join(
        letter if letter.isprintable() or letter in "\n\t" else "\ufffd" for letter in text
    ) if not text.isprintable() else text  # fmt: skip
    return escape(clean)
