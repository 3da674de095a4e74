"""Noise of deconvolved spectra, whose channels are correlated: weighted sums led back to the channels that were measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import map_spectra
from spectra.verbs import note
from xas.eels.channels.linear_variance import Noise
from xas.eels.deconvolution.core_loss import CoreLoss, as_measured
from xas.eels.deconvolution.plural_scattering import low_rows
from xas.eels.deconvolution.transfer import BLOCK, inverse, padded_length, transform
from xas.eels.white_lines.areas import Places, measure_lines
from xas.eels.white_lines.weights import Windows

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["DeconvolvedNoise", "measure_deconvolved"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class DeconvolvedNoise(Noise):
    r"""Noise of :math:`D = K y` with the response K known, or of something that is no linear function of y.

    A sum of weights u over D is one of weights :math:`K^T u` over y, whose channels are independent. ``variance`` is NaN,
    so that what would take the channels of D as independent states no sigma.
    """

    measured: Noise | None = None  # of all channels of y
    turned: Array | None = None  # (rows, f) conjugate transform of the response, lag zero first
    length: int = 0
    first: int = 0  # channel of y that ``energy`` begins with

    def led_back(self, u: Array) -> Array:
        """Weights (rows, all channels) of the measured channels, of weights ``u`` (rows, n)."""
        assert self.measured is not None
        assert self.turned is not None
        n = self.measured.energy.size
        placed = np.zeros((len(u), n))
        placed[:, self.first : self.first + u.shape[-1]] = np.nan_to_num(u)
        made = inverse(transform(placed, self.length) * self.turned, self.length)[:, :n]
        made = np.where(self.measured.variance > 0, made, 0)
        return np.where(np.isfinite(u).all(-1, keepdims=True), made, np.nan)

    def pair(self, u: Array, v: Array) -> tuple[Array, Array, Array]:
        """Variances of the sums with weights ``u`` and ``v`` (rows, n), and their covariance, (rows,) each."""
        if self.measured is None or self.turned is None:
            unknown = np.full(len(u), np.nan)
            return unknown, unknown, unknown
        return self.measured.pair(self.led_back(u), self.led_back(v))

    def sums(self, weights: Array, net: Array) -> tuple[Array, Array]:
        """Sums (rows, k) of ``net`` (rows, n) with ``weights`` (k, rows, n), and their covariance (rows, k, k)."""
        totals = np.einsum("krn,rn->rk", weights, net)
        if self.measured is None or self.turned is None:
            return totals, np.full((*totals.shape, len(weights)), np.nan)
        back = np.stack([self.led_back(u) for u in weights])
        return totals, self.measured.sums(back, np.zeros(back.shape[1:]))[1]

    def pair_at(
        self, at: npt.NDArray[np.intp], u: Array, other: npt.NDArray[np.intp], v: Array
    ) -> tuple[Array, Array, Array]:
        """The same for weights (rows, k) of the channels ``at`` and ``other``."""
        placed = []
        for index, weights in ((at, u), (other, v)):
            full = np.zeros((len(weights), self.energy.size))
            np.put_along_axis(full, index, weights, -1)
            placed.append(full)
        return self.pair(*placed)

    def rows(self, index: npt.NDArray[np.intp]) -> DeconvolvedNoise:
        """The same for a part of the rows."""
        turned = self.turned if self.turned is None or len(self.turned) == 1 else self.turned[index]
        measured = None if self.measured is None else self.measured.rows(index)
        return DeconvolvedNoise(
            self.energy, self.variance[index], measured=measured, turned=turned, length=self.length, first=self.first
        )  # fmt: skip

    def cut(self, part: slice) -> DeconvolvedNoise:
        """The same for a part of the channels."""
        begin = self.first + (part.start or 0)
        return DeconvolvedNoise(
            self.energy[part], self.variance[:, part], measured=self.measured, turned=self.turned,
            length=self.length, first=begin,
        )  # fmt: skip


def measure_deconvolved(
    dataset: xr.Dataset,
    near: slice,
    names: list[str],
    methods: tuple[str, ...],
    windows: Windows,
    places: Places,
) -> dict[str, xr.DataArray]:
    """What :func:`xas.eels.white_lines.areas.measure_lines` measures of ``net`` inside ``near``, where it was deconvolved.

    Parameters
    ----------
    dataset : xarray.Dataset
        As :func:`xas.eels.fourier_ratio` or :func:`xas.eels.richardson_lucy` leave it.
    near : slice
        Channels of the lines.
    names : list of str
        Numbers per spectrum that are wanted.
    methods, windows, places
        See ``measure_lines``.
    """
    axis = "energy_loss"
    core = as_measured(dataset)
    response = dataset.get("net_response")
    inputs: list[Any] = [
        (dataset["net"].isel({axis: near}).rename({axis: "near"}).drop_vars("near"), ("near",))
    ]
    inputs += core.inputs
    n = core.energy.size
    length = padded_length(2 * n)
    if response is None:
        note("net was deconvolved by iterations and is no linear function of counts: no sigma can be stated")
    else:
        inputs.append((response.drop_vars("response_lag"), ("response_lag",)))
        zero = int(np.argmin(np.abs(response["response_lag"].values)))
        back = np.exp(-2j * np.pi * np.arange(length // 2 + 1) / length * zero)

    def kernel(net: Array, *arrays: Array) -> dict[str, Array]:
        lead, rows = core.rows(arrays[: len(core.inputs)])
        net = np.broadcast_to(net, (*lead, net.shape[-1])).reshape(-1, net.shape[-1])
        kept = low_rows(lead, list(arrays[len(core.inputs) :]))
        parts = []
        for start in range(0, max(len(net), 1), BLOCK):
            block = [a[start : start + BLOCK] for a in rows]
            values = np.asarray(net[start : start + BLOCK], float)
            noise = _noise(core, near, block, values)
            if kept:
                (own,) = (k if len(k) == 1 else k[start : start + BLOCK] for k in kept)
                turned = (transform(np.nan_to_num(own.astype(float)), length)).conj() * back
                noise = DeconvolvedNoise(
                    noise.energy, noise.variance, measured=noise.measured, turned=turned, length=length, first=noise.first
                )  # fmt: skip
            parts.append(measure_lines(core.energy[near], values, noise, methods, windows, places))
        made = {
            k: np.concatenate([p[k] for p in parts]).astype(float) for k in [*names, "ratios", "ratios_sigma"]
        }
        return {k: a.reshape((*lead, *a.shape[1:])) for k, a in made.items()}

    outputs: dict[str, tuple[str, ...]] = dict.fromkeys(names, ())
    outputs |= {"ratios": ("line_method",), "ratios_sigma": ("line_method",)}
    return map_spectra(kernel, inputs, outputs, sizes={"line_method": len(methods)})


def _noise(core: CoreLoss, near: slice, block: list[Array], values: Array) -> DeconvolvedNoise:
    _, known, _ = core.net(block)
    return DeconvolvedNoise(
        core.energy[near], np.full(values.shape, np.nan), measured=core.noise(block, known), first=near.start
    )
