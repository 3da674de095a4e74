"""The figure of a fit of paths: chi(k) and |chi(R)|, data, fit and every path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.errors import InvalidInput
from spectra.report import conventions, style
from spectra.report.figures import one_spectrum
from spectra.verbs import history

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_paths"]


@style.styled
def plot_paths(
    dataset: xr.Dataset, *, r: tuple[float, float] | None = None, title: str | None = None, **index: int
) -> Figure:
    """Draw a fit of paths to one spectrum: weighted chi(k) on the left, |chi(R)| on the right, the paths below it.

    The ranges of the fit are shaded.

    Parameters
    ----------
    dataset : xarray.Dataset
        From :func:`xas.fit_paths`.
    r : (float, float), optional
        Range of R shown, in Å. Default: from 0 to 1.5 Å beyond the fit.
    title : str, optional
        Default: the sample's name and, of a series, which spectrum it is.
    **index : int
        The spectrum, as in ``Dataset.isel``: ``time=3``. Default: the first.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot: ``figure.savefig("paths.png", dpi=300)``.

    Raises
    ------
    InvalidInput
        If there is no fit, no such dimension or spectrum, or the fit of this spectrum failed.

    Examples
    --------
    >>> import xarray as xr
    >>> plot_paths(xr.Dataset())
    Traceback (most recent call last):
    ...
    spectra.errors.InvalidInput: plot_paths needs the variable 'chi_fit', which xas.fit_paths adds: call it first.
    """
    if "chi_fit" not in dataset:
        raise InvalidInput(
            "plot_paths needs the variable 'chi_fit', which xas.fit_paths adds: call it first."
        )
    one, name = one_spectrum(dataset, index)
    if not np.isfinite(one["chir_fit_mag"]).all():
        raise InvalidInput(
            "the fit of this spectrum failed: look at dataset.spectra.flags, or draw another one."
        )
    call = [c for c in history(dataset) if c["verb"] == "xas.fit_paths"][-1]
    said = {**call["options"], **call["resolved"]}
    weights = said["kweight"]
    power = float(weights if isinstance(weights, int | float) else weights[0])
    figure = style.new_figure(6.8, 3.5)
    in_k, in_r = figure.subplots(1, 2)
    _draw_k(in_k, one, said["k"], power)
    _draw_r(in_r, one, said["r"], power, r)
    told = name if title is None else title
    if told:
        in_k.set_title(told, loc="left")
    return figure


def _draw_k(ax: Axes, one: xr.Dataset, k: Any, power: float) -> None:
    weight = one["k"] ** power
    shown = slice(max(0.0, k[0] - 2), k[1] + 1)
    data, fit = ((one[n] * weight).sel(k=shown) for n in ("chi", "chi_fit"))
    ax.axvspan(*k, color=style.FLOOR, alpha=0.12, lw=0)
    ax.plot(data["k"], data, color=style.DATA, lw=1.0, label="data")
    ax.plot(fit["k"], fit, color=style.FIT, lw=1.2, label="fit")
    inside = data.sel(k=slice(*k))
    reach = 1.3 * float(np.abs(inside).max())
    named = f"$k^{{{power:g}}}\\chi(k)$ (Å$^{{-{power:g}}}$)" if power else "$\\chi(k)$"
    ax.set(
        xlim=(float(data["k"][0]), float(data["k"][-1])),
        ylim=(-reach, reach),
        xlabel="$k$ (Å$^{-1}$)",
        ylabel=named,
    )
    ax.legend(loc="lower left", ncols=2)


def _draw_r(ax: Axes, one: xr.Dataset, fitted: Any, power: float, r: tuple[float, float] | None) -> None:
    from matplotlib.ticker import NullLocator

    first, last = (0.0, min(float(one["r"][-1]), fitted[1] + 1.5)) if r is None else r
    one = one.sel(r=slice(first, last))
    top = float(max(one["chir_mag"].max(), one["chir_fit_mag"].max()))
    ax.axvspan(*fitted, color=style.FLOOR, alpha=0.12, lw=0)
    ax.plot(one["r"], one["chir_mag"], color=style.DATA, lw=1.0)
    ax.plot(one["r"], one["chir_fit_mag"], color=style.FIT, lw=1.2)
    below = 0.0
    paths = one["path_chir_mag"].dropna("path", how="all") if "path_chir_mag" in one else []
    for i, path in enumerate(paths):
        height = float(path.max())
        below -= max(1.1 * height, 0.18 * top)
        colour = style.COLOURS[(i + 2) % len(style.COLOURS)]
        ax.fill_between(one["r"], below, below + path, color=colour, alpha=0.35, lw=0)
        ax.plot(one["r"], below + path, color=colour, lw=0.9)
        label = conventions.species_text(str(path["path"].values))
        distance = f"{float(one['path_distance'].sel(path=path['path'])):.3f} Å"
        ax.annotate(
            f"{label}  {distance}",
            (last, below),
            (-3, 2),
            textcoords="offset points",
            ha="right",
            fontsize=7.5,
        )
    ax.set(
        xlim=(first, last),
        ylim=(below - 0.05 * top, 1.08 * top),
        xlabel="$R$ (Å), not corrected for phase shifts",
    )
    ax.set_yticks([tick for tick in ax.get_yticks() if 0 <= tick <= 1.08 * top])
    ax.yaxis.set_minor_locator(NullLocator())
    ax.set_ylabel(f"$|\\chi(R)|$ (Å$^{{-{power + 1:g}}}$)")
