"""Draw the figures of the pages: ``python docs/figures.py``.

Belongs here: figures that explain, each drawn from what a real ring has in it, so that they cannot say what is not so.
May not be here: figures of measurements, and pictures of programs.

Each is 460 units wide, for a phone, and has paper of its own, so that it is as readable on a dark page.
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.sax.saxutils import escape

from ringacc import TimeRing

FOLDER = Path(__file__).resolve().parent / "_static" / "figures"

WIDTH = 460
PAPER, INK, PALE, LINE = "#fdfcf8", "#22303c", "#edeae1", "#8a949c"
NEW, OLD, GONE = "#bcdcf0", "#dff0d8", "#f6d5cf"
STRONG = "#b0413a"


class Drawing:
    """An SVG that grows by boxes, texts and lines; ``title`` is for who cannot see it."""

    def __init__(self, height: int, title: str) -> None:
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
            'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif" font-size="14" '
            f'role="img" fill="{INK}">',
            f"<title>{escape(title)}</title>",
            f'<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
            f'orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" fill="{INK}"/></marker></defs>',
            f'<rect width="{WIDTH}" height="{height}" rx="8" fill="{PAPER}"/>',
        ]

    def box(self, x: float, y: float, width: float, height: float, fill: str = PALE, dashed: bool = False) -> None:
        """Draw a box."""
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        self._parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="2" fill="{fill}" '
            f'stroke="{LINE}"{dash}/>'
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        anchor: str = "middle",
        size: int = 14,
        color: str = INK,
        bold: bool = False,
    ) -> None:
        """Write a line."""
        weight = ' font-weight="600"' if bold else ""
        self._parts.append(
            f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{size}" fill="{color}"{weight}>'
            f"{escape(text)}</text>"
        )

    def line(self, x0: float, y0: float, x1: float, y1: float, tip: bool = False, color: str = INK) -> None:
        """Draw a line, or an arrow."""
        marker = ' marker-end="url(#tip)"' if tip else ""
        self._parts.append(
            f'<path d="M{x0:g} {y0:g}L{x1:g} {y1:g}" stroke="{color}" stroke-width="1.5" fill="none"{marker}/>'
        )

    def brace(self, x0: float, x1: float, y: float, text: str, color: str = INK, below: bool = True) -> None:
        """Mark a stretch, and say what it is."""
        way = 1 if below else -1
        self._parts.append(
            f'<path d="M{x0:g} {y:g}v{6 * way}H{x1:g}v{-6 * way}" stroke="{color}" stroke-width="1.5" fill="none"/>'
        )
        self.text((x0 + x1) / 2, y + (22 if below else -12), text, color=color)

    def svg(self) -> str:
        """Give the whole."""
        return "\n".join([*self._parts, "</svg>"]) + "\n"


def _ring(capacity: int, rows: int) -> TimeRing:
    """Give a ring whose rows hold their own sequences."""
    ring = TimeRing(capacity, {"sequence": "i8"})
    for sequence in range(rows):
        ring.append(sequence / 500, (sequence,))
    return ring


def _slots(drawing: Drawing, y: float, slots: list[int], x: float, size: float, lit: range = range(0)) -> None:
    """Draw slots with the sequences of the rows in them; some of them lit."""
    for slot, sequence in enumerate(slots):
        drawing.box(x + slot * size, y, size, 32, NEW if slot in lit else PALE)
        drawing.text(x + (slot + 0.5) * size, y + 21, str(sequence), bold=slot in lit)
        drawing.text(x + (slot + 0.5) * size, y + 46, str(slot), size=11, color=LINE)


def block() -> str:
    """Draw the block: counters, slots and their mirror."""
    ring = _ring(5, 7)
    drawing = Drawing(196, "A block: the counters, five slots, and the same five again")
    drawing.text(20, 28, "A ring of 5 rows, into which 7 were put", "start", bold=True)
    drawing.box(20, 44, 204, 32, OLD)
    drawing.text(122, 65, f"written {ring.written}    trimmed {ring.trimmed}")
    drawing.text(236, 65, "counters: they only grow", "start")
    _slots(drawing, 92, ring.jit.rows["sequence"].tolist(), 20, 42)
    drawing.brace(20, 228, 146, "slots 0 to 4")
    drawing.brace(232, 440, 146, "the same rows again")
    return drawing.svg()


def mirror() -> str:
    """Draw a window where each row lies once, and where it lies twice."""
    ring = _ring(5, 7)
    slots = ring.jit.rows["sequence"].tolist()
    first = int(ring.last(4)["sequence"][0]) % ring.capacity
    drawing = Drawing(236, "The last four rows: in two pieces if each row lies once, in one piece if it lies twice")
    drawing.text(20, 28, "Each row once: the last 4 rows are two pieces", "start", bold=True)
    for slot, sequence in enumerate(slots[:5]):
        is_lit = sequence >= ring.written - 4
        drawing.box(20 + slot * 42, 40, 42, 32, NEW if is_lit else PALE)
        drawing.text(41 + slot * 42, 61, str(sequence), bold=is_lit)
        drawing.text(41 + slot * 42, 86, str(slot), size=11, color=LINE)
    drawing.text(246, 61, "to be copied together", "start", color=STRONG)
    drawing.text(20, 130, "Each row twice: one piece, a view", "start", bold=True)
    _slots(drawing, 142, slots, 20, 42, range(first, first + 4))
    drawing.brace(20 + first * 42, 20 + (first + 4) * 42, 196, "last(4)")
    return drawing.svg()


def sequences() -> str:
    """Draw what a reader that was away is told."""
    ring = _ring(5, 12)
    rows, following, missed = ring.since(4)
    drawing = Drawing(192, "Sequences: what is gone, what a reader missed, and what it gets")
    drawing.text(20, 28, "since(4), asked of a ring of 5 rows, 12 written", "start", bold=True)
    size = 35
    for sequence in range(ring.written):
        fill = NEW if sequence >= ring.trimmed else GONE if sequence >= 4 else PALE
        drawing.box(20 + sequence * size, 72, size, 32, fill, dashed=sequence < ring.trimmed)
        drawing.text(20 + (sequence + 0.5) * size, 93, str(sequence))
    drawing.brace(22, 20 + 4 * size - 2, 110, "seen before")
    drawing.brace(20 + 4 * size + 2, 20 + ring.trimmed * size - 2, 110, f"missed: {missed}", STRONG)
    drawing.brace(20 + ring.trimmed * size + 2, 20 + following * size - 2, 110, f"rows: {len(rows)}")
    for place, name in ((ring.trimmed, "trimmed"), (ring.written, "written")):
        drawing.text(20 + place * size, 56, f"{name} {place}", "end" if place == ring.written else "middle", size=12)
        drawing.line(20 + place * size, 60, 20 + place * size, 71, tip=True)
    drawing.text(20, 164, f"The next time it asks since({following}). A slot is used again,", "start")
    drawing.text(20, 182, "a sequence never.", "start")
    return drawing.svg()


def publishing() -> str:
    """Draw the order in which a writer and a reader touch counters and bytes."""
    drawing = Drawing(344, "Publishing: the order of what a writer and a reader in another process do")
    drawing.text(116, 30, "Writer", bold=True)
    drawing.text(344, 30, "Reader, another process", bold=True)
    steps = [
        ("1  trimmed + 1", "the oldest row is no more", OLD),
        ("2  the row's bytes", "slot, and slot + capacity", NEW),
        ("3  written + 1", "release: bytes come first", OLD),
    ]
    for place, (what, why, fill) in enumerate(steps):
        drawing.box(16, 48 + place * 78, 200, 54, fill)
        drawing.text(116, 70 + place * 78, what, bold=True)
        drawing.text(116, 90 + place * 78, why, size=12)
        if place:
            drawing.line(116, 24 + place * 78, 116, 46 + place * 78, tip=True)
    asks = [
        ("1  copies the counters", "acquire: bytes come later", OLD),
        ("2  copies the rows", "which may change meanwhile", NEW),
        ("3  copies trimmed again", "leaves out what is gone", OLD),
    ]
    for place, (what, why, fill) in enumerate(asks):
        drawing.box(244, 48 + place * 78, 200, 54, fill)
        drawing.text(344, 70 + place * 78, what, bold=True)
        drawing.text(344, 90 + place * 78, why, size=12)
        if place:
            drawing.line(344, 24 + place * 78, 344, 46 + place * 78, tip=True)
    drawing.text(20, 292, "Killed after 1 or 2, the writer leaves a row that was not", "start")
    drawing.text(20, 311, "published: nobody sees it. The reader takes no lock, so", "start")
    drawing.text(20, 330, "the writer never waits for one that looks.", "start")
    return drawing.svg()


def recording() -> str:
    """Draw the way of a row to the disk, and who may die on it."""
    drawing = Drawing(262, "The way of a row from the loop to the disk, and what is left when one dies")
    drawing.text(20, 28, "While it runs", "start", bold=True)
    for x, width, name, what, fill in (
        (16, 108, "your loop", "a process", PALE),
        (170, 120, "ring file", "memory, mapped", NEW),
        (336, 108, "recorder", "a process", PALE),
    ):
        drawing.box(x, 42, width, 50, fill)
        drawing.text(x + width / 2, 64, name, bold=True)
        drawing.text(x + width / 2, 82, what, size=12)
    drawing.line(126, 67, 168, 67, tip=True)
    drawing.text(147, 60, "rows", size=12)
    drawing.line(292, 67, 334, 67, tip=True)
    drawing.text(313, 60, "rows", size=12)
    drawing.line(390, 94, 390, 132, tip=True)
    drawing.text(382, 118, "written, then taken", "end", size=12)
    drawing.box(316, 134, 128, 34, OLD)
    drawing.text(380, 156, "log.recording")
    drawing.text(20, 156, "After a crash of either, or of both", "start", bold=True)
    drawing.box(16, 176, 120, 34, NEW)
    drawing.text(76, 198, "ring file: 5 6 7 8", size=13)
    drawing.text(152, 199, "+")
    drawing.box(168, 176, 132, 34, OLD)
    drawing.text(234, 198, "on disk: 0 to 6", size=13)
    drawing.line(302, 193, 332, 193, tip=True)
    drawing.box(336, 176, 108, 34, NEW)
    drawing.text(390, 198, "0 to 8", bold=True)
    drawing.text(20, 238, "ringacc recover: each row once, by its sequence", "start")
    return drawing.svg()


FIGURES = {figure.__name__: figure for figure in (block, mirror, sequences, publishing, recording)}


def main() -> int:
    """Write every figure to its place."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, figure in FIGURES.items():
        (FOLDER / f"{name}.svg").write_text(figure(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
