"""Results of a series against what was done to the sample: time, voltage, charge, temperature."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import series_dims
from spectra.errors import InvalidInput, did_you_mean
from spectra.report import conventions, style
from spectra.report.series import coordinate

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_against"]

Array = npt.NDArray[np.float64]
_WIDTH, _PANEL = 5.2, 1.75  # inches
_LETTERS = 26  # of a label beside one panel, before it takes a second line
_MARKERS = "osD^v<>p"


@style.styled
def plot_against(
    dataset: xr.Dataset, variables: str | Sequence[str], *, against: str | None = None
) -> Figure:
    """Draw numbers of a series in panels above each other, against one common coordinate.

    Values have their standard uncertainties as error bars; where a band of feasible values is known
    (``<name>_least``, ``<name>_most``) it is drawn as one. Points are joined in the order of the series, so that a
    charge and the discharge behind it are told apart.

    Parameters
    ----------
    dataset : xarray.Dataset
        Series along one dimension.
    variables : str or sequence of str
        One panel each, from the top: variables or coordinates with a number per spectrum, such as ``voltage``,
        ``fraction``, ``edge_position``.
    against : str, optional
        Coordinate or variable on the common axis, such as ``voltage``, ``charge`` or ``time``. Default: the series'
        own.

    Returns
    -------
    matplotlib.figure.Figure
        ``figure.savefig("charge.png", dpi=200)``.

    Raises
    ------
    InvalidInput
        No series along one dimension; a variable that is not there, or is no number per spectrum.

    Examples
    --------
    >>> import numpy as np, spectra
    >>> coords = {"voltage": ("scan", [3.6, 3.9, 4.2], {"units": "V"})}
    >>> data = spectra.from_arrays([1.0, 2.0], np.ones((3, 2)), dims=("scan",), coords=coords)
    >>> figure = plot_against(data.assign(area=("scan", [1.0, 2.0, 3.0])), "area", against="voltage")
    >>> figure.axes[0].get_xlabel()
    'Voltage (V)'
    """
    names = [variables] if isinstance(variables, str) else list(variables)
    dims = series_dims(dataset)
    if len(dims) != 1:
        raise InvalidInput(
            f"plot_against draws a series along one dimension; this dataset has {', '.join(dims) or 'none'}: choose with isel."
        )
    if not names:
        raise InvalidInput("variables is empty: name what should be drawn.")
    dim = dims[0]
    for name in [*names, *([against] if against else [])]:
        _check(dataset, name, dim)
    x, label = _abscissa(dataset, dim, against)
    figure = style.new_figure(_WIDTH, max(2.6, 0.6 + _PANEL * len(names)))
    panels: Any = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    for ax, name in zip(panels, names, strict=True):
        _panel(ax, dataset, name, dim, x)
    panels[-1].set_xlabel(label)
    figure.align_ylabels()
    return figure


def _check(dataset: xr.Dataset, name: str, dim: str) -> None:
    if name not in dataset.variables:
        raise InvalidInput(
            f"this dataset has no {name!r} to draw; {did_you_mean(name, map(str, dataset.variables))}."
        )
    extra = [str(d) for d in dataset[name].dims if d != dim]
    labelled = all(d in dataset.coords and dataset[d].dtype.kind in "OUT" for d in extra)
    if (
        dim not in dataset[name].dims
        or dataset[name].dtype.kind not in "biufM"
        or len(extra) > 1
        or not labelled
    ):
        raise InvalidInput(
            f"{name!r} is no number per spectrum: it is {dict(dataset[name].sizes) or 'a single value'} of "
            f"{dataset[name].dtype}. Name one along {dim}."
        )


def _abscissa(dataset: xr.Dataset, dim: str, against: str | None) -> tuple[Array, str]:
    """Values on the common axis and their label; long times become hours."""
    if against is None or against == dim:
        one = coordinate(dataset, dim)
        return np.asarray(one.values, float), one.label or one.name
    if against in dataset.coords:
        renamed = dataset[[]].assign_coords({dim: np.arange(dataset.sizes[dim])})
        renamed = renamed.assign_coords({against: (dim, dataset[against].values, dataset[against].attrs)})
        one = coordinate(renamed.swap_dims({dim: against}), against)
        return np.asarray(one.values, float), one.label or one.name
    return dataset[against].values.astype(float), conventions.variable_label(dataset, against)


def _panel(ax: Axes, dataset: xr.Dataset, name: str, dim: str, x: Array) -> None:
    extra = [d for d in dataset[name].dims if d != dim]
    values = _columns(dataset, name, dim)
    sigma, low, high = (
        _columns(dataset, f"{name}_{what}", dim) if f"{name}_{what}" in dataset.variables else None
        for what in ("sigma", "least", "most")
    )
    labels = [conventions.species_text(v) for v in dataset[extra[0]].values] if extra else [None]
    order = np.argsort(x, kind="stable")
    for j, text in enumerate(labels):
        colour = style.COLOURS[j % len(style.COLOURS)]
        if low is not None and high is not None:
            ends = np.sort([low[order, j], high[order, j]], axis=0)
            ax.fill_between(x[order], *ends, color=colour, alpha=0.15, lw=0)
        ax.errorbar(
            x, values[:, j], yerr=None if sigma is None else sigma[:, j], color=colour, marker=_MARKERS[j % 8],
            ms=2.8, lw=0.7, elinewidth=0.7, capsize=1.5, label=text,
        )  # fmt: skip
    if extra:
        low_y, high_y = ax.get_ylim()
        ax.set_ylim(low_y, high_y + 0.22 * (high_y - low_y))  # a legend that hides no data
        ax.legend(loc="upper center", ncols=min(len(labels), 4), columnspacing=1.2, handletextpad=0.4)
    label = conventions.variable_label(dataset, name)
    text = label[:1].upper() + label[1:]
    ax.set_ylabel(textwrap.fill(text, _LETTERS, break_long_words=False, break_on_hyphens=False))
    ax.margins(x=0.02)


def _columns(dataset: xr.Dataset, name: str, dim: str) -> Array:
    extra = [str(d) for d in dataset[name].dims if d != dim]
    return dataset[name].transpose(dim, *extra).values.astype(float).reshape(dataset.sizes[dim], -1)
