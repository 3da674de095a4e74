"""A page that shows a series while it grows: the newest spectrum, trends, failures; on the loopback interface."""

from __future__ import annotations

import collections
import http.server
import json
import threading
import time
from importlib.resources import files
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.dataset import failed, series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput
from spectra.pipeline.progress import Progress
from spectra.verbs import as_measured

if TYPE_CHECKING:
    import xarray as xr

    from spectra.pipeline.shards import Done

__all__ = ["LivePage", "LiveState"]

#: Points of a drawn spectrum, and spectra of a trend, at most.
_POINTS, _TREND = 800, 2000
#: Numbers of each spectrum that are drawn as trends, at most.
_NUMBERS = 6
#: Dimensions of which each entry has a trend of its own.
_SORTS = ("component", "state", "reference", "pair", "species")
#: Curves that say more than what was measured, the first that is there.
_CURVES = ("norm", "net", "chi", "absorbance")


class LiveState(Progress):
    """What the page shows; bounded, however long the series gets."""

    def __init__(self, title: str) -> None:
        self._lock = threading.Lock()
        self._begun = time.time()
        self._state: dict[str, Any] = {
            "title": title,
            "spectra": 0,
            "failed": 0,
            "left_out": [],
            "newest": None,
        }
        self._trends: dict[str, collections.deque[float | None]] = {}
        self._units: dict[str, str] = {}

    @property
    def seconds(self) -> float:
        """Since the page was made."""
        return time.time() - self._begun

    def shard_done(self, done: Done) -> None:
        """Count what a shard holds."""
        with self._lock:
            self._state["spectra"] += done.spectra
            self._state["failed"] += done.failed
            told = [
                reason if reason.startswith(file) else f"{file}: {reason}"
                for file, reason in done.left_out.items()
            ]
            self._state["left_out"] = (self._state["left_out"] + told)[-20:]

    def show(self, dataset: xr.Dataset) -> None:
        """Take the newest spectrum and the numbers of all spectra of a shard."""
        dims = series_dims(dataset)
        rows = dataset.stack({"row": dims}) if len(dims) > 1 else dataset.rename({dims[0]: "row"})
        numbers = _numbers(rows)
        newest = _newest(rows)
        with self._lock:
            self._state["newest"] = newest
            for name, numbers_of_all in numbers.items():
                values = self._trends.setdefault(name, collections.deque(maxlen=_TREND))
                values.extend(_plain(numbers_of_all.values))
                self._units[name] = str(numbers_of_all.attrs.get("units", ""))

    def to_json(self) -> str:
        """The state as the page asks for it."""
        with self._lock:
            trends = [
                {"name": name, "units": self._units[name], "values": list(values)}
                for name, values in self._trends.items()
            ]
            told = {**self._state, "trends": trends, "seconds": round(self.seconds, 1)}
            return json.dumps(told, ensure_ascii=False)


class LivePage:
    """Server of the page, from ``with`` to its end.

    Parameters
    ----------
    state : LiveState
    host : str
        Interface. The default is seen from this machine only.
    port : int
        0 takes any that is free.
    """

    def __init__(self, state: LiveState, *, host: str = "127.0.0.1", port: int = 0) -> None:
        try:
            self._server = http.server.ThreadingHTTPServer((host, port), _handler(state))
        except OSError as error:
            raise InvalidInput(
                f"the page cannot be served at {host}:{port} ({error.strerror or error}): give another port."
            ) from None
        self._server.daemon_threads = True

    @property
    def address(self) -> str:
        """Where a browser finds the page."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}/"

    def __enter__(self) -> LivePage:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(state: LiveState) -> type[http.server.BaseHTTPRequestHandler]:
    page = files("spectra.report").joinpath("live.html").read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/":
                self._answer(page, "text/html; charset=utf-8")
            elif self.path == "/state.json":
                self._answer(state.to_json().encode(), "application/json")
            else:
                self.send_error(404)

        def _answer(self, content: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.send_header(
                "Content-Security-Policy", "default-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
            )
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Requests are not worth a line."""

    return Handler


def _newest(rows: xr.Dataset) -> dict[str, Any]:
    """The last good spectrum, or the last, with a curve that the verbs made of it."""
    axis, bad = spectral_axis(rows), failed(rows).values
    number = int(np.flatnonzero(~bad)[-1]) if (~bad).any() else len(bad) - 1
    one = rows.isel(row=number)
    names = [signal_name(as_measured(rows)), *[n for n in _CURVES if n in one and one[n].dims == (axis,)][:1]]
    step = max(1, one.sizes[axis] // _POINTS)
    x = one[axis].values[::step]
    curves = [
        {"name": name, "units": str(one[name].attrs.get("units", "")), "y": _plain(one[name].values[::step])}
        for name in dict.fromkeys(names)
        if name in one and one[name].dims == (axis,)
    ]
    label = str(one["label"].values) if "label" in one.coords else f"spectrum {number}"
    return {
        "label": label,
        "axis": axis.replace("_", " "),
        "units": str(one[axis].attrs.get("units", "")),
        "reversed": axis in ("binding_energy", "wavenumber"),
        "x": _plain(x),
        "curves": curves,
    }


def _numbers(rows: xr.Dataset) -> dict[str, xr.DataArray]:
    """Numbers of each spectrum that are worth a trend: those with a sigma first, of each component, state or pair."""
    found: dict[str, xr.DataArray] = {}
    names = [
        str(n) for n, v in rows.data_vars.items() if v.dtype.kind == "f" and not str(n).endswith("_sigma")
    ]
    for name in sorted(names, key=lambda n: f"{n}_sigma" not in rows.data_vars):
        values = rows[name]
        others = [str(d) for d in values.dims if d != "row"]
        if others == [] and values.dims:
            found[name] = values
        elif len(others) == 1 and others[0] in _SORTS and others[0] in values.coords:
            for label in values[others[0]].values[:_NUMBERS]:
                found[f"{name} · {label}"] = values.sel({others[0]: label})
    return dict(list(found.items())[:_NUMBERS])


def _plain(values: Any) -> list[float | None]:
    return [float(v) if np.isfinite(v) else None for v in np.asarray(values, float)]
