"""The wavelet figure: the map of |W(k, R)|, with chi(k) below and |chi(R)| beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput
from spectra.report import conventions, style
from spectra.report.figures import one_spectrum
from spectra.verbs import history
from xas.exafs.transform import fourier_matrix
from xas.points.wavenumber import window as taper_window

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_wavelet"]

Array = npt.NDArray[np.float64]

#: Width in inches of a figure below which the wavelet is named under the panels.
NARROW = 4.5


@style.styled
def plot_wavelet(
    dataset: xr.Dataset,
    *,
    r: tuple[float, float] | None = None,
    vmax: float | None = None,
    title: str | None = None,
    **index: int,
) -> Figure:
    """Draw the wavelet map of one spectrum with what it was made from: chi(k) below, |chi(R)| beside it.

    Where the ends of the k range reach (the cone of influence) the map is veiled; boxes that were integrated over are
    outlined. The transform beside the map has the same window and weight of k.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``wavelet`` from :func:`xas.wavelet`.
    r : (float, float), optional
        Range of R shown, in Å. Default: 0.5 Å to the end of the map, 6 Å at most.
    vmax : float, optional
        Value at the end of the colours, the same for figures that are to be compared. Default: the largest shown.
    title : str, optional
        Matplotlib's mathematics between dollar signs. Default: the sample's name and, of a series, which spectrum it is.
    **index : int
        The spectrum, as in ``Dataset.isel``: ``time=3``. Default: the first.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot: ``figure.savefig("wavelet.png", dpi=300)``.

    Raises
    ------
    InvalidInput
        If there is no map, no such dimension or spectrum, or the map of this spectrum is not known.

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> energy = np.arange(6400.0, 7300.0, 1.0)
    >>> k = np.sqrt(0.2625 * np.clip(energy - 6548, 0, None))
    >>> mu = (1 + 0.1 * np.sin(2 * 2.5 * k) * np.exp(-0.02 * k**2)) / (1 + np.exp(-(energy - 6548) / 1.5))
    >>> scan = spectra.from_arrays(energy, mu, name="mu", attrs={"element": "Mn", "edge": "K"})
    >>> figure = plot_wavelet(xas.wavelet(xas.autobk(xas.normalize(scan))))
    >>> [axes.get_ylabel() for axes in figure.axes][:1]
    ['$R$ (Å)']
    """
    one, name = _one_spectrum(dataset, index)
    said = _said(one)
    shown = _Shown.of(one, said, r)
    figure = style.new_figure(5.8, 4.8)
    grid = figure.add_gridspec(2, 2, width_ratios=(3.2, 1), height_ratios=(3.2, 1.15))
    image, beside = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    below, corner = figure.add_subplot(grid[1, 0]), figure.add_subplot(grid[1, 1])
    mesh = _draw_map(image, shown, said, vmax)
    _draw_transform(beside, shown, said)
    _draw_chi(below, shown, said)
    corner.set_axis_off()
    bar = figure.colorbar(
        mesh, cax=corner.inset_axes((0.06, 0.78, 0.9, 0.14)), orientation="horizontal",
        extend="max" if vmax is not None and shown.map.max() > vmax else "neither",
    )  # fmt: skip
    bar.set_label(
        f"$|W(k,R)|$ ({_per_angstrom(said['kweight'])})" if said["kweight"] else "$|W(k,R)|$", labelpad=2
    )
    named = _wavelet_name(said)
    if figure.get_figwidth() < NARROW:  # the corner has room for the colours alone
        figure.supxlabel(", ".join(named), fontsize="small")
    else:
        corner.text(
            0.52,
            0.0,
            "\n".join(named),
            ha="center",
            va="bottom",
            fontsize="small",
            transform=corner.transAxes,
        )
    told = name if title is None else title
    if told:
        image.set_title(
            told if len(told) <= 48 or "$" in told else f"{told[:45]}...", loc="left"
        ).set_in_layout(False)
    return figure


@dataclass(frozen=True)
class _Shown:
    """What the panels show, cut to their ranges."""

    k: Array
    r: Array
    map: Array
    chi: Array
    sigma: Array | None
    transform: Array
    window: Array
    ends: tuple[Array, Array]  # of the data's reach, for each row
    regions: dict[str, Any]

    @classmethod
    def of(cls, one: xr.Dataset, said: dict[str, Any], r: tuple[float, float] | None) -> _Shown:
        grid, rows = one["k"].values.astype(float), one["r"].values.astype(float)
        low, high = said["k"]
        taper = said["dk"] if said["window"] in {"hanning", "parzen", "welch"} else 0.0
        columns = (grid > low - taper / 2 - 1e-9) & (grid < high + taper / 2 + 1e-9)
        first, last = (min(0.5, rows[-1] / 2), min(6.0, rows[-1])) if r is None else r
        kept = (rows > first - 1e-9) & (rows < last + 1e-9)
        if not 0 <= first < last or kept.sum() < 2:
            raise InvalidInput(
                f"r = ({first:g}, {last:g}) shows nothing of the map, which goes from {rows[0]:g} to {rows[-1]:.4g} Å."
            )
        values = one["wavelet"].transpose("r", "k").values.astype(float)[np.ix_(kept, columns)]
        if not np.isfinite(values).all():
            raise InvalidInput(
                "the map of this spectrum is not known: look at dataset.spectra.flags, or draw another one."
            )
        weight = grid ** said["kweight"]
        all_rows, matrix = fourier_matrix(
            grid, low, high, kweight=said["kweight"], taper=said["dk"], shape=said["window"], rmax=rows[-1]
        )
        through = matrix.any(0)
        transform = np.abs(matrix[:, through] @ one["chi"].values[through])
        step = float(grid[1] - grid[0])
        extended = step * np.arange(int(1.01 + max(grid[-1], high + said["dk"]) / step), dtype=float)
        window = taper_window(extended, low, high, taper=said["dk"], shape=said["window"])[: grid.size]
        with np.errstate(divide="ignore"):
            reach = _width(said) / rows[kept]
        sigma = one["chi_sigma"].values * weight if "chi_sigma" in one else None
        return cls(
            grid[columns], rows[kept], values,
            (one["chi"].values * weight)[columns], None if sigma is None else sigma[columns],
            np.interp(rows[kept], all_rows, transform), window[columns], (low + reach, high - reach), said["regions"] or {},
        )  # fmt: skip


def _one_spectrum(dataset: xr.Dataset, index: dict[str, int]) -> tuple[xr.Dataset, str]:
    if "wavelet" not in dataset or "chi" not in dataset:
        raise InvalidInput(
            "plot_wavelet needs the variable 'wavelet', which xas.wavelet adds: call it first."
        )
    return one_spectrum(dataset, index)


def _said(dataset: xr.Dataset) -> dict[str, Any]:
    """Options of the last ``xas.wavelet``, with what its defaults came to."""
    calls = [c for c in history(dataset) if c["verb"] == "xas.wavelet"]
    if not calls:
        raise InvalidInput(
            "the history of this dataset holds no xas.wavelet: call it, and draw what it returns."
        )
    return {**calls[-1]["options"], **calls[-1]["resolved"]}


def _draw_map(ax: Axes, shown: _Shown, said: dict[str, Any], vmax: float | None) -> Any:
    from matplotlib.patches import Rectangle

    most = float(shown.map.max()) if vmax is None else vmax
    mesh = ax.pcolormesh(
        shown.k, shown.r, shown.map, shading="gouraud", cmap="viridis", vmin=0, vmax=most, rasterized=True
    )
    ax.contour(
        shown.k,
        shown.r,
        shown.map,
        levels=most * np.linspace(0.1, 0.9, 5),
        colors="white",
        linewidths=0.4,
        alpha=0.6,
    )
    left, right = shown.ends
    clear = left < right
    ax.fill_betweenx(shown.r, shown.k[0], np.where(clear, left, shown.k[-1]), color="white", alpha=0.35, lw=0)
    ax.fill_betweenx(
        shown.r, np.where(clear, right, shown.k[-1]), shown.k[-1], color="white", alpha=0.35, lw=0
    )
    for end in (left, right):
        ax.plot(end[clear], shown.r[clear], color="white", lw=1.0, ls="--")
    for name, ((k1, k2), (r1, r2)) in shown.regions.items():
        ax.add_patch(Rectangle((k1, r1), k2 - k1, r2 - r1, fill=False, ec=style.FIT, lw=1.2))
        ax.annotate(
            conventions.species_text(name), (k1, r2), (2, 2), textcoords="offset points", color="white",
            fontsize="small", va="bottom",
        )  # fmt: skip
    ax.set(xlim=(shown.k[0], shown.k[-1]), ylim=(shown.r[0], shown.r[-1]), ylabel="$R$ (Å)")
    ax.tick_params(labelbottom=False, color="white", which="both")
    return mesh


def _draw_transform(ax: Axes, shown: _Shown, said: dict[str, Any]) -> None:
    ax.plot(shown.transform, shown.r, color=style.DATA)
    ax.fill_betweenx(shown.r, 0, shown.transform, color=style.DATA, alpha=0.12, lw=0)
    ax.set(ylim=(shown.r[0], shown.r[-1]), xlim=(0, 1.08 * float(shown.transform.max())))
    ax.set_xlabel(f"$|\\chi(R)|$ ({_per_angstrom(said['kweight'] + 1)})")
    ax.xaxis.set_label_position("top")
    ax.tick_params(labelleft=False, labeltop=True, labelbottom=False)


def _draw_chi(ax: Axes, shown: _Shown, said: dict[str, Any]) -> None:
    if shown.sigma is not None:
        ax.fill_between(
            shown.k, shown.chi - shown.sigma, shown.chi + shown.sigma, color=style.COLOURS[4], alpha=0.5, lw=0
        )
    ax.plot(shown.k, shown.chi, color=style.DATA, lw=1.0)
    reach = 1.15 * float(np.nanmax(np.abs(shown.chi)))
    ax.plot(shown.k, shown.window * reach / 1.1, color=style.FLOOR, lw=0.8, ls=":")
    ax.set(xlim=(shown.k[0], shown.k[-1]), ylim=(-reach, reach))
    power = said["kweight"]
    named = f"$k^{{{power:g}}}\\chi(k)$ ({_per_angstrom(power)})" if power else "$\\chi(k)$"
    ax.set(xlabel="$k$ (Å$^{-1}$)", ylabel=named)


def _per_angstrom(power: float) -> str:
    return f"Å$^{{-{power:g}}}$"


def _width(said: dict[str, Any]) -> float:
    return float(np.sqrt(said["order"]) if said["kind"] == "cauchy" else said["eta_sigma"])


def _wavelet_name(said: dict[str, Any]) -> tuple[str, str, str]:
    if said["kind"] == "cauchy":
        named = f"Cauchy, $n$ = {said['order']:.4g}"
    else:
        named = f"Morlet, $\\eta\\sigma$ = {said['eta_sigma']:.4g}"
    at = said["resolution_at"]
    resolution = f"$\\sigma_k$ = {_width(said) / (2 * at):.2g} Å$^{{-1}}$ at {at:g} Å"
    return named, resolution, f"{said['window'].capitalize()} window"
