"""What the tests of pages stand on: a real browser without a window, and what it says of a page.

Chromium and its driver are taken as the system has them (Debian: ``chromium`` and ``chromium-driver``); a test that
needs them skips where they are absent.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import http.server
import shutil
import threading

import pytest

PHONE = (390, 844)  # CSS pixels of a usual phone
DESKTOP = (1280, 900)

_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


class Browser:
    """A browser that looks at pages one after the other."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, address, size=DESKTOP):
        """Show a page in a window of a size, as a phone of that width would where it is narrow."""
        width, height = size
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        self.driver.get(address)

    def run(self, script, *arguments):
        """Run JavaScript in the page and give what it returns."""
        return self.driver.execute_script(script, *arguments)

    def complaints(self):
        """Give what the console says of the page since the last call: errors and warnings."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]

    def broken_pictures(self):
        """Give the sources of pictures that did not load, in the page as it is scrolled through."""
        return self.run(
            "for (const i of document.images) i.loading = 'eager';"
            "return Promise.all([...document.images].map(i => i.decode().then(() => null, () => i.src)))"
            ".then(found => found.filter(source => source !== null));"
        )

    def overflow(self):
        """Give how many pixels the page is wider than the window."""
        return self.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def save_picture(self, path):
        """Save what is seen, the whole page from top to bottom, as a PNG."""
        height = self.run("return document.documentElement.scrollHeight")
        width = self.run("return window.innerWidth")
        shot = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot",
            {
                "captureBeyondViewport": True,
                "clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1},
            },
        )
        path.write_bytes(base64.b64decode(shot["data"]))


@contextlib.contextmanager
def browsing(profile):
    """Run a browser with a profile folder of its own."""
    webdriver = pytest.importorskip("selenium.webdriver")
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("needs chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for option in (*_OPTIONS, f"--user-data-dir={profile}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    running = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver))
    try:
        yield Browser(running)
    finally:
        running.quit()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing."""


@contextlib.contextmanager
def served(folder):
    """Serve a folder on this machine; give its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
