"""A report is one page that a browser shows, on a desk and on a phone, whatever lies in the folder."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import namedtuple
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from browser_stage import DESKTOP, PHONE, served

from ringacc import EstimatorLog, Session, tables
from ringacc.cli import main
from ringacc.cli.interrupt import Interrupt
from ringacc.cli.report import Report
from ringacc.errors import MissingExtraError, MissingFileError, SaveError

pytest.importorskip("matplotlib")
from ringacc.report import write_report

NASTY = '<script>alert("x")</script>&amp;\x00\x1b$\\frac{a}${{}} größe 速度'


def frame_of(rows=600, rate=100, columns=3):
    """Give a table of sines, with a burst in the middle."""
    t = np.arange(rows) / rate
    burst = np.where(np.abs(t - (rows - 1) / rate / 2) < 0.4, 1.0, 0.05)
    return pd.DataFrame({"t": t, **{f"c{i:03}": burst * np.sin(2 * np.pi * (3 + i) * t) for i in range(columns)}})


def saved(folder, frame, name="1200_behavior_log", format="feather"):
    """Save a table as a log; give the folder."""
    folder.mkdir(exist_ok=True)
    tables.save(frame, folder / name, format)
    return folder


def text_of(path):
    """Give what one reads in a page, without its head."""

    class Reader(HTMLParser):
        text = ""

        def handle_data(self, data):
            self.text += f"{data} "

    reader = Reader()
    page = path.read_text(encoding="utf-8")
    reader.feed(page[page.index("<body>") :])
    return " ".join(reader.text.split())


def look_at(browser, path):
    """Assert that a page is fine on a desk and a phone: nothing in the console, no figure empty, nothing beside it."""
    with served(path.parent) as address:
        for size in (DESKTOP, PHONE):
            browser.open(f"{address}/{path.name}", size)
            assert browser.complaints() == []
            assert browser.broken_pictures() == []
            assert browser.overflow() <= 0
            assert browser.run(
                "return [...document.querySelectorAll('figure svg')].every(s => "
                "s.getBoundingClientRect().width > 250 && s.getBBox().height > 50 && s.getAttribute('aria-label'))"
            )
            assert browser.run(
                "return [...document.querySelectorAll('nav a, section.odd a')]"
                ".every(a => document.querySelector(a.hash))"
            )
        # Text in figures is still so large on a phone.
        assert (
            browser.run(
                "return Math.min(...[...document.querySelectorAll('figure svg text')].map(t => "
                "parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a), 99)"
            )
            > 8.5
        )
        return browser.run("return document.querySelectorAll('figure svg').length")


# What commands and programs write ----------------------------------------------------------------------------------


def test_report_of_a_demo(tmp_path, browser, rings, capsys):
    """The demo's folder: two logs, traces twice, intervals and rate for each; metadata as a tree."""
    main(["demo", "--seconds", "2", "--rate", "20", "--out", str(tmp_path / "demo")])
    capsys.readouterr()

    with Interrupt() as interrupt:
        code = Report(tmp_path / "demo", None, None, False).run(interrupt)

    printed = capsys.readouterr().out
    (page,) = (tmp_path / "demo").glob("*_report.html")
    assert code == 0
    assert f"saved as {page}" in printed
    assert look_at(browser, page) == 8
    text = text_of(page)
    assert "behavior_log rows" not in text.partition("Metadata")[0]
    assert "(by the column frame)" in text
    assert "framerate 20.0" in text


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_report_of_a_replay(tmp_path, browser, rings, capsys, format):
    """What a replay saves has no metadata, which the page says."""
    log = tables.save(frame_of(), tmp_path / "behavior_log", "feather")
    main(["replay", str(log), "--speed", "max", "--format", format, "--out", str(tmp_path / "again")])

    written = write_report(tmp_path / "again")

    assert written.odd == ("There are no metadata.",)
    assert look_at(browser, written.path) == 4
    start, end = map(float, re.search(r"most active second: ([\d.]+) to ([\d.]+) s", text_of(written.path)).groups())
    assert start < 2.6
    assert end > 3.39
    assert end - start == pytest.approx(1.0)


def test_report_of_a_session_says_health_and_rows(tmp_path):
    """A Session's own counts stand beside those of the file, and a log that lost rows since is told."""
    session = Session(tmp_path, session_id="1200")
    log = EstimatorLog()
    session.log(log, "behavior/estimator_log")
    for row in range(50):
        log.update_list(row / 10, namedtuple("V", "vigour")(row % 7))
    session.save()
    text = text_of(write_report(tmp_path).path)
    assert "rows 50 50" in text
    assert "rate 10.0 Hz 10.0 Hz (last rows)" in text

    path = tmp_path / "1200_estimator_log.hdf5"
    tables.save(tables.load(path)[:40], path, "hdf5")

    assert write_report(tmp_path).odd == ("estimator_log: The metadata say 50 rows, the log has 40.",)


@pytest.mark.parametrize(("name", "logs"), [("embedded", 3), ("freely_swimming", 2)])
def test_report_of_real_recordings(tmp_path, browser, recordings, name, logs):
    """The page of a stytra session: every log is read, every figure there; the folder itself is not touched."""
    before = sorted(os.listdir(recordings / name))

    written = write_report(recordings / name, tmp_path / "page.html")

    assert len(written.logs) == logs
    assert not written.unreadable
    assert look_at(browser, written.path) == 4 * logs
    assert sorted(os.listdir(recordings / name)) == before
    assert not any("dropped" in text for text in written.odd)


# What is odd --------------------------------------------------------------------------------------------------------


def test_odd_things_are_at_the_top(tmp_path, browser):
    """Dropped frames, backward steps, gaps, constant and empty columns: each is a sentence with numbers and times."""
    frame = frame_of(600)
    frame["frame"] = np.arange(600)
    frame["still"], frame["none"], frame["holes"] = 2.5, math.nan, np.where(np.arange(600) % 4, 1.0, math.nan)
    frame = frame.drop(index=range(200, 230)).reset_index(drop=True)
    frame.loc[400, "t"] = frame["t"][399] - 0.25

    written = write_report(saved(tmp_path / "s", frame))

    assert written.odd == (
        "There are no metadata.",
        "behavior_log: 30 frames were dropped, by the column “frame”: at 2.300 s.",
        "behavior_log: 1 row has an earlier time than the row before, by up to 250 ms: at 4.040 s.",
        "behavior_log: 2 intervals are longer than 30 ms, the longest 310 ms: at 1.990, 4.040 s.",
        "behavior_log: 1 column has no value in any row: none.",
        "behavior_log: 1 column has one value throughout: still = 2.5.",
        "behavior_log: 1 column has rows without a value: holes (25 %).",
    )
    text = text_of(written.path)
    assert text.index("30 frames were dropped") < text.index("Traces")
    look_at(browser, written.path)


def test_dropped_frames_without_a_counter_are_estimated(tmp_path):
    """The pace of the rows says how many are missing."""
    frame = frame_of(600).drop(index=[100, 101, 300]).reset_index(drop=True)

    odd = write_report(saved(tmp_path / "s", frame)).odd

    assert any("About 3 frames (0.5 %) were dropped" in text and "100 Hz" in text for text in odd)


# Bad input ----------------------------------------------------------------------------------------------------------

BAD = {
    "no rows": frame_of(0),
    "one row": frame_of(1),
    "two rows of one time": pd.DataFrame({"t": [1.0, 1.0], "x": [0.0, 1.0]}),
    "only NaN": pd.DataFrame({"t": [0.0, 1.0, 2.0], "x": [math.nan] * 3}),
    "no time is finite": pd.DataFrame({"t": [math.nan] * 3, "x": [1.0, 2.0, 3.0]}),
    "some times are not finite": pd.DataFrame({"t": [0.0, math.nan, math.inf, 1.0], "x": [1.0, 2.0, 3.0, 4.0]}),
    "no times": pd.DataFrame({"x": [1.0, 2.0]}),
    "times are text": pd.DataFrame({"t": ["a", "b"], "x": [1.0, 2.0]}),
    "nothing but times": pd.DataFrame({"t": [0.0, 0.1, 0.2]}),
    "text": pd.DataFrame({"t": [0.0, 0.1, 0.2], "x": ["<b>", "y", None]}),
    "200 columns": frame_of(300, columns=200),
    "going back": pd.DataFrame({"t": [3.0, 2.0, 1.0, 0.0], "x": [1.0, 2.0, 3.0, 4.0]}),
    "huge": pd.DataFrame({"t": [0.0, 1e9, 2e9], "x": [-1.7e308, 1.7e308, math.inf]}),
    "of integers and bools": pd.DataFrame({"t": [0, 1, 2], "n": [2**62, -(2**62), 0], "b": [True, False, True]}),
    "nasty names": pd.DataFrame({"t": [0.0, 0.1, 0.2], NASTY.replace("\x00", ""): [1.0, 2.0, 3.0]}),
}


HARDLY_SECONDS = {
    "to the ends of float64": np.linspace(-1, 1, 300) * 1.7e308,
    "from end to end": np.tile([-1.7e308, 1.7e308], 150),
    "subnormal": np.arange(300) * 1e-310,
    "nanoseconds": 1.7e18 + np.arange(300) * 1e7,
    "integer nanoseconds": 1_700_000_000_000_000_000 + np.arange(300) * 10_000_000,
}


@pytest.mark.parametrize("case", HARDLY_SECONDS)
def test_times_that_are_hardly_seconds_are_said_and_other_logs_are_drawn(tmp_path, case):
    """Nothing is drawn over such times, without a warning, and all of the next log is there."""
    folder = saved(tmp_path / "s", pd.DataFrame({"t": HARDLY_SECONDS[case], "x": np.arange(300.0)}), "1200_a_log")
    saved(folder, frame_of())

    written = write_report(folder)

    assert [text for text in written.odd if "hardly of seconds" in text and text.startswith("a_log: ")]
    page = written.path.read_text(encoding="utf-8")
    assert page.count("<svg ") == 4
    assert "behavior_log" in page
    assert re.findall(r"\d{40}", page) == []


def test_nanoseconds_since_the_machine_started_are_said(tmp_path):
    """Rows a day apart and more: drawn as they are, and said."""
    t = 3_000_000_000_000 + np.arange(300) * 10_000_000

    written = write_report(saved(tmp_path / "s", pd.DataFrame({"t": t, "x": np.arange(300.0)})))

    assert written.odd[1] == (
        "behavior_log: Rows are 10000000 s apart: their times are hardly of seconds, perhaps of nanoseconds."
    )
    assert written.path.read_text(encoding="utf-8").count("<svg ") == 4


def test_intervals_from_subnormal_to_days_are_drawn(tmp_path):
    """Intervals of which some are hardly any: drawn, without a warning."""
    t = np.cumsum(np.tile([1e-310, 1e-310, 1e-9, 0.0, 1e5], 60))

    written = write_report(saved(tmp_path / "s", pd.DataFrame({"t": t, "x": np.arange(300.0)})))

    assert written.path.read_text(encoding="utf-8").count("<svg ") == 4


def test_a_rate_that_no_float_holds_is_left_out(tmp_path):
    """JSON has integers of any size."""
    folder = saved(tmp_path, frame_of(100), "1200_a")
    (folder / "1200_metadata.json").write_text(f'{{"c": {{"a_rows": 100, "a_rate": 1{"0" * 400}}}}}')

    text = text_of(write_report(folder).path)

    assert "rows 100 100" in text
    assert "(last rows)" not in text


def test_columns_called_as_what_stands_for_others_keep_their_names(tmp_path):
    """Each name is above its own trace."""
    t = np.arange(100) / 10
    names = ["@1@", "@0@", "@2@"]

    page = write_report(saved(tmp_path, pd.DataFrame({"t": t, **dict.fromkeys(names, t)}))).path.read_text()

    assert re.findall(r">(@\d@)</text>", page) == 2 * names


@pytest.mark.parametrize("format", tables.FORMATS)
def test_logs_of_each_format_are_read(tmp_path, format):
    """The same log in each format makes the same findings."""
    written = write_report(saved(tmp_path / "s", frame_of(50), format=format))

    assert written.logs == (f"1200_behavior_log.{format}",)
    assert written.odd == ("There are no metadata.",)


@pytest.mark.parametrize("case", BAD)
def test_any_log_makes_a_page(tmp_path, browser, case):
    """Whatever is in a log, there is a page, and nothing to complain of in a browser."""
    written = write_report(saved(tmp_path / "s", BAD[case]))

    assert not written.unreadable
    look_at(browser, written.path)
    if case == "200 columns":
        assert "192 more columns are in the table below" in text_of(written.path)


def test_nothing_of_a_file_is_taken_for_html(tmp_path, browser):
    """Names, values and metadata of any text are text on the page."""
    folder = saved(tmp_path / "s", BAD["nasty names"])
    deep = {}
    for _ in range(300):
        deep = {"deeper": deep, "list": [1, {"a": None}]}
    metadata = {NASTY: {NASTY: NASTY, "long": list(range(1000)), "many": [{}] * 300}, "deep": deep}
    (folder / "1200_metadata.json").write_text(json.dumps(metadata))

    written = write_report(folder)

    look_at(browser, written.path)
    assert browser.run("return document.scripts.length") == 0
    text = text_of(written.path)
    assert text.count('<script>alert("x")</script>&amp;\ufffd\ufffd$\\frac{a}${{}} größe 速度') == 3
    assert "and 800 more" in text
    assert "too deep to be shown" in text


def test_what_cannot_be_read_is_said_and_the_rest_is_shown(tmp_path, capsys):
    """A cut log, metadata that are none, an unfinished recording: sentences at the top, and exit code 1."""
    folder = saved(tmp_path / "s", frame_of())
    (folder / "1200_cut_log.feather").write_bytes((folder / "1200_behavior_log.feather").read_bytes()[:700])
    (folder / "1200_metadata.json").write_text("{")
    (folder / "1200_eye_log.feather.recording").mkdir()

    with Interrupt() as interrupt:
        code = Report(folder, None, None, False).run(interrupt)

    printed = capsys.readouterr()
    assert code == 1
    assert "1200_cut_log.feather" in printed.err
    assert printed.err.count("1200_cut_log.feather") == 1
    assert "1200_metadata.json: JSONDecodeError" in printed.err
    text = text_of(folder / "1200_report.html")
    assert "The log cannot be read:" in text
    assert "1200_eye_log.feather is being recorded, or its recorder was cut" in text
    assert "Traces" in text


def test_a_folder_that_is_no_session_is_refused(tmp_path):
    """Nothing there, a file, an empty folder, one with a config only: an error that says what to give."""
    (tmp_path / "config.json").write_text("{}")
    for bad in (tmp_path, tmp_path / "none", tmp_path / "config.json"):
        with pytest.raises(MissingFileError, match="expected the"):
            write_report(bad)

    assert os.listdir(tmp_path) == ["config.json"]


def test_of_several_sessions_the_last_is_taken_and_others_can_be_asked_for(tmp_path, capsys):
    """The one written last; another by its id; an unknown id is an error with those there are."""
    for at, name in enumerate(["0900", "1200-2", "1100"]):
        saved(tmp_path, frame_of(), f"{name}_behavior_log")
        os.utime(tmp_path / f"{name}_behavior_log.feather", (1e9 + at, 1e9 + at))

    with Interrupt() as interrupt:
        Report(tmp_path, None, None, False).run(interrupt)

    assert "session 1100 of 3" in capsys.readouterr().out
    assert write_report(tmp_path, session_id="1200-2").path == tmp_path / "1200-2_report.html"
    with pytest.raises(MissingFileError, match=r"'0900', '1200-2', '1100'.*found '7'"):
        write_report(tmp_path, session_id="7")


# The file -----------------------------------------------------------------------------------------------------------


def test_the_same_session_makes_the_same_page_wherever_it_lies(tmp_path):
    """Byte by byte; and nothing on it is fetched from anywhere."""
    folder = saved(tmp_path / "s", frame_of())
    shutil.copytree(folder, tmp_path / "other" / "s")

    first, second = (write_report(path).path.read_bytes() for path in (folder, tmp_path / "other" / "s"))

    assert first == second
    page = re.sub(rb'xmlns(:xlink)?="[^"]*"', b"", first)
    assert b"http" not in page
    assert re.findall(rb'(?:src|href)="([^#][^"]*)"', page) == [b"data:,"]


def test_a_report_is_replaced_and_nothing_else(tmp_path):
    """A second report takes the place of the first; another file, a folder or none to lie in are errors."""
    folder = saved(tmp_path / "s", frame_of())
    other = tmp_path / "mine.html"
    other.write_text("<p>mine</p>")

    assert write_report(folder).path == write_report(folder).path
    for out, error in ((other, SaveError), (tmp_path, SaveError), (tmp_path / "no" / "page.html", MissingFileError)):
        with pytest.raises(error):
            write_report(folder, out)
    assert other.read_text() == "<p>mine</p>"


def test_a_page_is_called_as_one(tmp_path):
    """A log's name is refused, whether or not it is there; .htm and capitals are fine."""
    folder = saved(tmp_path / "s", frame_of(50))

    for name in ("x.csv", "page", "1200_behavior_log.feather"):
        with pytest.raises(SaveError, match=r"expected a name that ends in \.html"):
            write_report(folder, folder / name)
    for name in ("page.htm", "PAGE.HTML"):
        assert write_report(folder, folder / name).path.is_file()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_pipes_and_links_to_nothing_are_not_opened(tmp_path):
    """Who opens a pipe waits for good: it is no metadata, no log and no report."""
    folder = saved(tmp_path / "s", frame_of(50))
    for name in ("1200_metadata.json", "1200_eye_log.csv", "page.html"):
        os.mkfifo(folder / name)
    (folder / "zz_metadata.json").symlink_to(folder / "gone.json")
    (folder / "1200_tail_log.csv").symlink_to(folder / "gone.csv")

    written = write_report(folder)

    assert written.logs == ("1200_behavior_log.feather",)
    assert written.odd == ("There are no metadata.",)
    with pytest.raises(SaveError, match="expected no file there yet, or a report"):
        write_report(folder, folder / "page.html")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("place", ["full", "pipe", "closed"])
def test_a_page_is_written_where_nothing_can_be_said(tmp_path, place):
    """No room for what is said: one line, exit code 1; nobody who reads it: all is well."""
    folder = saved(tmp_path / "s", frame_of(50))
    command = f"{shlex.quote(sys.executable)} -m ringacc report {shlex.quote(str(folder))}"
    if place == "pipe":
        reads, writes = os.pipe()
        os.close(reads)
    else:
        command += {"full": " >/dev/full", "closed": " >&-"}[place]
        writes = None

    done = subprocess.run(command, shell=True, stdout=writes, stderr=subprocess.PIPE, text=True, timeout=120)
    if writes is not None:
        os.close(writes)

    assert (folder / "1200_report.html").is_file()
    assert done.returncode == (1 if place == "full" else 0)
    assert len(done.stderr.splitlines()) == (1 if place == "full" else 0)


def test_a_page_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    """No room on the disk: the old page is whole, and there is nothing beside it."""
    folder = saved(tmp_path / "s", frame_of())
    before = write_report(folder).path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SaveError, match="No space left on device"):
        write_report(folder)

    assert (folder / "1200_report.html").read_bytes() == before
    assert len(os.listdir(folder)) == 2


@pytest.mark.parametrize("lacks", ["matplotlib", "matplotlib.figure", "matplotlib.backends.backend_svg"])
def test_without_matplotlib_it_says_how_to_install_it(tmp_path, monkeypatch, lacks):
    """The extra is named before anything is read, also where it is there in part."""
    monkeypatch.setitem(sys.modules, lacks, None)

    with pytest.raises(MissingExtraError, match=r"pip install 'ringacc\[report\]'"):
        Report(tmp_path, None, None, False)


def test_many_rows_make_a_small_page(tmp_path):
    """A page of a million rows is no larger than that of some thousand."""
    page = write_report(saved(tmp_path / "s", frame_of(1_000_000, 10_000))).path

    assert page.stat().st_size < 500_000
