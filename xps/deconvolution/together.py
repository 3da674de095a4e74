"""Series fitted together: which parameters of the lines their spectra share, in the field's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spectra.errors import InvalidInput, did_you_mean
from spectra.fitting.along import as_series, dims_along
from spectra.fitting.arrays import Start
from spectra.fitting.shapes import shape
from spectra.fitting.tails import TAILS
from spectra.verbs import note, resolve
from xps.links import DOUBLET, WIDTHS, LinkedModel

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["WORDS", "Series", "shared_parameters"]

Kernel = Callable[..., Mapping[str, Any]]

STRENGTH = ("area", "height", "amplitude")
#: What can be shared, and what it means.
WORDS = {
    "position": "positions",
    "fwhm": "widths",
    "shape": "other parameters of the line shapes",
    "splitting": "splittings of doublets",
    "area_ratio": "area ratios of doublets",
    "width_factor": "ratios of the widths in doublets",
    "background": "strengths of a background fitted with the lines",
}


def shared_parameters(words: Sequence[str], linked: LinkedModel, free: Sequence[str]) -> tuple[str, ...]:
    """Varied parameters that ``words`` mean; a word may also be the name of one, as ``best_value`` has it.

    Raises
    ------
    InvalidInput
        An unknown word, or one of whose parameters none is varied.
    """
    named = {word: [n for n in _meant(word, linked) if n in free] for word in WORDS}
    found: list[str] = []
    for word in words:
        if word not in named and word not in free:
            raise InvalidInput(
                f"shared names {word!r}, which is no parameter that is fitted; {did_you_mean(word, [*WORDS, *free])}."
            )
        if word in named and not named[word]:
            raise InvalidInput(
                f"shared names {word!r}, and none of the {WORDS[word]} is fitted: they are equal in all spectra as it "
                "is. Leave it out, or let them vary."
            )
        found += named.get(word, [word])
    return tuple(dict.fromkeys(found))


def _meant(word: str, linked: LinkedModel) -> list[str]:
    if word == "background":
        return [line.prefix + tail for line in linked.lines for tail in TAILS]
    if word in DOUBLET:
        return [line.prefix + word for line in linked.lines]
    own: list[str] = []
    for line in linked.lines:
        names = shape(line.shape).names
        of = {"position": ("position",), "fwhm": WIDTHS}
        rest = tuple(n for n in names if n not in ("position", *WIDTHS, *STRENGTH))
        own += [line.prefix + n for n in names if n in of.get(word, rest)]
    return own


@dataclass(frozen=True)
class Series:
    """How the spectra of a series are fitted: what they share, along which dimension, from which start values."""

    words: tuple[str, ...]
    along: str | tuple[str, ...] | None
    start: Start

    def on(
        self, values: xr.DataArray, axis: str, linked: LinkedModel, free: Sequence[str]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Shared parameters, and the dimensions that the fit sees as a whole; the history is told of both."""
        shared = shared_parameters(self.words, linked, free)
        dims = dims_along(values, axis, self.along, shared, self.start)
        if dims:
            resolve(along=dims)
        if shared:
            note(f"one value for all spectra along {' and '.join(dims)}: {', '.join(shared)}")
        return shared, dims

    def kernel(self, kernel: Kernel, dims: Sequence[str]) -> Kernel:
        """``kernel`` of a series, for arrays with ``dims`` before the spectral axis."""
        on_map = self.start == "neighbour" and not self.words  # neighbours on all sides
        return kernel if on_map else as_series(kernel, len(dims))
