"""The page of a report in a real browser: it opens without a word on the console, zooms, sorts, filters and draws all views."""

import html
import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from spectra.report import write_report

pytestmark = pytest.mark.browser

_page_tests = importlib.util.spec_from_file_location(
    "page_tests", Path(__file__).with_name("test_report_page.py")
)
_module = importlib.util.module_from_spec(_page_tests)
_page_tests.loader.exec_module(_module)
fitted = _module.fitted


@pytest.fixture(scope="module")
def browser():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if shutil.which(name):
            return name
    pytest.fail("no Chromium or Chrome found: these tests use one")


def opened(browser, page, tmp_path, *options, mark="#selftest"):
    """The page's document after its own test, and what the console said."""
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
         "--virtual-time-budget=30000", "--window-size=1200,900", "--enable-logging=stderr", *options, "--dump-dom",
         f"file://{page}{mark}"],
        capture_output=True, text=True, timeout=240, check=True,
    )  # fmt: skip
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, said


def checks(document):
    found = re.search(r'data-selftest="([^"]*)"', document)
    assert found, "the page's own test did not run"
    return json.loads(html.unescape(found.group(1)))


@pytest.mark.parametrize("options", [(), ("--window-size=380,800",)], ids=["wide", "narrow"])
def test_a_series_and_a_map(browser, tmp_path, options):
    several = {"series": fitted((12,), ("scan",)), "map": fitted((5, 7), ("y", "x")), "one": fitted((), ())}
    page = write_report(tmp_path / "report.html", several, fits=0)
    document, said = opened(browser, page, tmp_path, *options)
    assert not said
    done = checks(document)
    assert [one for one in done if not one["ok"]] == []
    names = " ".join(one["name"] for one in done)
    for expected in (
        "drag zooms",
        "wheel zooms",
        "double-click",
        "sorts up",
        "only failures",
        "heat map",
        "map against",
        "paper: pictures of all views",
    ):
        assert expected in names


def test_the_page_prints(browser, tmp_path):
    page = write_report(tmp_path / "report.html", fitted((3,), ("scan",)), fits=1)
    subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
         f"--print-to-pdf={tmp_path / 'printed.pdf'}", f"file://{page}"],
        capture_output=True, timeout=240, check=True,
    )  # fmt: skip
    assert (tmp_path / "printed.pdf").read_bytes().startswith(b"%PDF")
