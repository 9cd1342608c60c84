"""Make the pictures of the docs from the demo: real runs of the commands, none of it drawn.

    python docs/pictures.py [view | top | report] ...

Without words, all of them, into docs/_static. Needs the extra "dev", Xvfb, and chromium with its driver.

Belongs here: how the commands are run and looked at. May not be here: what they show.
"""

from __future__ import annotations

import argparse
import fcntl
import html
import os
import pty
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STATIC = ROOT / "docs" / "_static"
COLUMNS, LINES = 96, 26
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]


def save(pixels, path: Path) -> None:
    """Save an array of height, width, and red, green, blue as a PNG file."""
    from matplotlib.image import imsave

    imsave(path, pixels.astype("uint8"))
    print(path)


def demo(rings: Path, out: Path, *words: str, **environment: str) -> subprocess.Popen[bytes]:
    """Start the demo, its rings in a folder of their own."""
    return subprocess.Popen(
        [sys.executable, "-m", "ringacc", "demo", "--out", str(out), *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), "RINGACC_RINGS": str(rings), **environment},
        stdout=subprocess.DEVNULL,
    )


def view(folder: Path) -> None:
    """Picture the window of ``ringacc demo --view``, on a screen of its size."""
    from view_stage import Screen, has_colour

    from ringacc.view.theme import LIGHT

    os.environ.pop("QT_QPA_PLATFORM")
    screen = Screen(folder, size=(1000, 640))
    running = demo(folder / "rings", folder / "out", "--view", "--seconds", "30", DISPLAY=screen.name)
    try:
        # Until the traces have come to the left edge.
        seen = screen.wait_for(lambda image: has_colour(image[60:580, 100:110], LIGHT.traces[0], 10), running)
        save(seen, STATIC / "view.png")
    finally:
        running.terminate()
        running.wait()
        screen.close()


def top(folder: Path) -> None:
    """Picture ``ringacc top`` on the demo, in a terminal."""
    running = demo(folder / "rings", folder / "out", "--seconds", "30")
    try:
        ring = a_ring_in(folder / "rings", running)
        lines = shown_in_terminal(12.0, "top", str(ring))
    finally:
        running.terminate()
        running.wait()
    (folder / "top.html").write_text(page_of(lines), encoding="utf-8")
    photograph(folder, folder / "top.html", STATIC / "top.png", "pre")


def a_ring_in(rings: Path, running: subprocess.Popen[bytes]) -> Path:
    """Wait for the demo's stream."""
    while running.poll() is None:
        for found in rings.glob("*"):
            if any(found.glob("*.ring")):
                return found
        time.sleep(0.1)
    sys.exit("expected a ring of the demo, found that it ended")


def shown_in_terminal(seconds: float, *words: str) -> list[list[tuple[str, str]]]:
    """Run a command in a terminal for some seconds; give its last screen: for each line, (style, text)."""
    import pyte

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", LINES, COLUMNS, 0, 0))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        environment.pop(name, None)
    command = subprocess.Popen(
        [sys.executable, "-m", "ringacc", *words], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    end = time.monotonic() + seconds
    # A whole screen is one after which nothing comes for a moment.
    while time.monotonic() < end or select.select([ours], [], [], 0.03)[0]:
        if select.select([ours], [], [], 0.1)[0]:
            stream.feed(os.read(ours, 65536))
    command.terminate()
    command.wait()
    os.close(ours)
    return [runs_of(screen, line) for line in range(LINES)]


def runs_of(screen, line: int) -> list[tuple[str, str]]:
    """Give a line of a terminal as runs of one style."""
    runs: list[tuple[str, str]] = []
    for column in range(COLUMNS):
        cell = screen.buffer[line][column]
        style = ""
        if cell.fg != "default":
            style += f"color:{'#' + cell.fg if re.fullmatch('[0-9a-f]{6}', cell.fg) else NAMED.get(cell.fg, cell.fg)};"
        if cell.bold:
            style += "font-weight:bold;"
        if cell.reverse:
            style += "filter:invert(1);"
        if runs and runs[-1][0] == style:
            runs[-1] = (style, runs[-1][1] + cell.data)
        else:
            runs.append((style, cell.data))
    return runs


NAMED = {
    "black": "#4b5263", "red": "#f06a6a", "green": "#7ccf7c", "brown": "#e0b35a", "blue": "#6fa8ff",
    "magenta": "#d18be0", "cyan": "#5cc8d8", "white": "#dcdfe4", "brightblack": "#8a919e",
}  # fmt: skip


def page_of(lines: list[list[tuple[str, str]]]) -> str:
    """Make a page of a terminal."""
    while lines and not "".join(text for _, text in lines[-1]).strip():
        lines.pop()
    text = "\n".join(
        "".join(f'<span style="{style}">{html.escape(part)}</span>' for style, part in line) for line in lines
    )
    look = (
        "body{margin:0;background:#1b1e24}pre{display:inline-block;margin:0;padding:18px 20px;color:#dcdfe4;"
        "background:#1b1e24;font:15px/19px 'DejaVu Sans Mono',monospace}"
    )
    return f"<!doctype html><meta charset=utf-8><style>{look}</style><pre>{text}</pre>"


def report(folder: Path) -> None:
    """Picture the page of ``ringacc report`` on a session of the demo."""
    demo(folder / "rings", folder / "out", "--seconds", "10").wait()
    made = folder / "report.html"
    subprocess.run(
        [sys.executable, "-m", "ringacc", "report", str(folder / "out"), "--out", str(made)],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    photograph(folder, made, STATIC / "report.png")


def photograph(folder: Path, page: Path, path: Path, part: str | None = None) -> None:
    """Save what a browser shows of a page: a window of it, or one part."""
    from browser_stage import browsing
    from selenium.webdriver.common.by import By

    with browsing(folder / "browser") as browser:
        browser.open(page.as_uri(), (1100, 1250))
        if part is None:
            browser.driver.save_screenshot(str(path))
        else:
            browser.driver.find_element(By.CSS_SELECTOR, part).screenshot(str(path))
    print(path)


PICTURES = {"view": view, "top": top, "report": report}


def main() -> int:
    """Make the pictures that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pictures", nargs="*", metavar="view | top | report", help="which (default: all)")
    names = parser.parse_args().pictures or list(PICTURES)
    unknown = [name for name in names if name not in PICTURES]
    if unknown:
        parser.error(f"expected view, top or report, found {unknown[0]}")
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            PICTURES[name](Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
