"""The elastic line and a progression of vibrations beside it, fitted together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from spectra.dataset.flags import flag
from spectra.errors import InvalidInput
from spectra.knowledge import number
from spectra.verbs import note, resolve, verb
from xas.rixs.tables import load_table

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["fit_lines"]

_TABLE = load_table("oxygen")
#: Constants of O₂ in eV, where the fit starts.
O2_ENERGY = number(_TABLE["molecule"]["vibrational_energy"])
O2_ANHARMONICITY = number(_TABLE["molecule"]["anharmonicity"])
#: A line is seen whose area is so many of its sigmas.
_SEEN = 3.0
#: A model does not fit whose reduced chi-square lies so many of its standard deviations above one.
_MISFIT = 5.0
#: Positions of lines are sought within so many of their widths.
_REACH = 1.5


@verb("xas.rixs.fit_lines", axis="energy_loss")
def fit_lines(
    dataset: xr.Dataset,
    *,
    vibrations: int = 5,
    energy: float = O2_ENERGY,
    anharmonicity: float | None = O2_ANHARMONICITY,
    resolution: float = 0.08,
    features: dict[str, tuple[float, float]] | None = None,
    window: tuple[float, float] = (-0.4, 1.2),
    background: Literal["none", "constant", "linear"] = "constant",
    weights: Literal["auto", "sigma", "poisson", "none"] = "auto",
    restarts: int = 0,
) -> xr.Dataset:
    r"""Fit the elastic line, its vibrational progression and further features, with one width for all sharp lines.

    .. math:: E_v - E_0 = \omega_e\, v - \omega_e x_e\, v (v + 1), \qquad v = 1 \dots n

    The spacing is fitted, not assumed: :math:`\omega_e` and :math:`\omega_e x_e` have their sigmas from the covariance
    of the whole model, the position of the elastic line included.

    Parameters
    ----------
    dataset : xarray.Dataset
        Spectra along ``energy_loss``, as :func:`xas.rixs.reduce` makes them; any series dimensions.
    vibrations : int
        Lines of the progression, ``v1`` to ``vn``; 0 fits the elastic line alone.
    energy : float
        :math:`\omega_e` in eV to start from. Default: that of O₂, 0.1959 eV (1580.19 1/cm). Lattice vibrations have 0.067 to
        0.098 eV.
    anharmonicity : float, optional
        :math:`\omega_e x_e` in eV to start from. Default: that of O₂, 1.485 meV. None fixes it to zero.
    resolution : float
        Full width at half maximum of the lines in eV to start from; a vibration closer than that is not resolved from
        the elastic line, and only its shape tells it.
    features : dict, optional
        Further lines by name, as (position, full width) in eV to start from: ``{"second": (4.3, 1.0)}``. Their widths
        are their own.
    window : (float, float)
        Losses in eV that are fitted.
    background : {"none", "constant", "linear"}
        Under the lines.
    weights : {"auto", "sigma", "poisson", "none"}
        As in :func:`spectra.fit`; counts are fitted by Poisson maximum likelihood.
    restarts : int
        Other starts that are tried where a line is weak.

    Returns
    -------
    xarray.Dataset
        Cut to ``window``, with the variables of :func:`spectra.fit` for the components ``elastic``, ``v1``, … and the
        features; ``resolution`` (full width of the elastic line, eV); ``vibrational_energy`` (:math:`\omega_e`) and
        ``anharmonicity`` (:math:`\omega_e x_e`) in eV, all ± sigma. Both constants are NaN, with a flag, where lines wider than
        0.1 eV come without an elastic line (``vibrations_unresolved``), or where no vibration is three times its
        sigma (warning ``no_vibrations``). Further warnings: ``lines_do_not_fit``, ``elastic_not_seen``, ``low_resolution`` and ``lattice_spacing``, a
        spacing that vibrations of the lattice have.

    Raises
    ------
    InvalidInput
        A start value that is not positive, a window with too few points, a progression that lies beyond it.

    Notes
    -----
    The start values give 0.193, 0.383, 0.570, 0.754 and 0.935 eV for v = 1 to 5; the next term of the series, which is not
    in the model, adds 1 meV to the last two. Vibrations of the lattice (67 to 74 meV, and 98 meV at the top of charge:
    doi:10.1039/d5ta07689g) are fitted with ``energy=0.07, anharmonicity=None``. The emission of the molecule is fitted by
    :func:`xas.rixs.oxygen_fingerprint`.

    Examples
    --------
    >>> import numpy as np, spectra, xas.rixs
    >>> loss = np.arange(-0.5, 1.3, 0.01)
    >>> v = np.arange(6)
    >>> places = 0.19592 * v - 0.0014853 * v * (v + 1)
    >>> heights = np.array([400, 90, 80, 60, 40, 20])
    >>> y = (heights * np.exp(-4 * np.log(2) * ((loss[:, None] - places) / 0.08) ** 2)).sum(axis=1) + 5
    >>> oxide = spectra.from_arrays(loss, np.round(y), axis="energy_loss", name="counts", units="counts")
    >>> oxide = xas.rixs.fit_lines(oxide)
    >>> round(float(oxide.vibrational_energy), 3)
    0.196
    """
    import spectra

    _check(vibrations, energy, resolution, window, anharmonicity)
    loss = dataset["energy_loss"].values
    inside = (loss >= window[0]) & (loss <= window[1])
    model, params = _model(vibrations, energy, anharmonicity, resolution, features or {}, window, background)
    free = sum(1 for p in params.values() if "expr" not in p and p.get("vary", True))
    if inside.sum() <= free:
        raise InvalidInput(
            f"window ({window[0]:g}, {window[1]:g}) holds {int(inside.sum())} points of data from {loss[0]:g} to {loss[-1]:g} eV, "
            f"and the model has {free} free parameters."
        )
    part = dataset.isel(energy_loss=inside)
    _start(part, params, vibrations, features or {}, background)
    fitted = spectra.fit(part, model=model, params=params, weights=weights, restarts=restarts)
    resolve(points=int(inside.sum()))
    note(f"fitted between {window[0]:g} and {window[1]:g} eV; the dataset was cut to that")
    result = fitted.assign_attrs(history=dataset.attrs.get("history", "[]"))
    elastic = fitted.sel(component="elastic", drop=True)
    for suffix in ("", "_sigma"):
        result[f"resolution{suffix}"] = elastic[f"fwhm{suffix}"].assign_attrs(
            units="eV", long_name="full width of the elastic line"
        )
    if vibrations:
        for name in ("vibrational_energy", *(("anharmonicity",) if anharmonicity is not None else ())):
            parameter = {"vibrational_energy": "omega", "anharmonicity": "omega_x"}[name]
            for suffix in ("", "_sigma"):
                values = fitted[f"best_value{suffix}"].sel(parameter=parameter, drop=True)
                result[f"{name}{suffix}"] = values.assign_attrs(units="eV", long_name=name.replace("_", " "))
    return _judged(result, vibrations)


def _judged(result: xr.Dataset, vibrations: int) -> xr.Dataset:
    """Constants only where lines are there to tell them, and a warning on what is easily misread."""
    sure = result["area"] > _SEEN * result["area_sigma"]
    elastic = sure.sel(component="elastic").values
    wide = ~(result["resolution"].values <= number(_TABLE["resolution"]["needed"]))
    good = np.isfinite(result["redchi"].values)
    result = _warned(result, good & ~elastic, "elastic_not_seen", "the elastic line is not three times its sigma: zero and resolution are not known from it")  # fmt: skip
    degrees = result.sizes["energy_loss"] - result.sizes.get("varied", 0)
    poor = good & (result["redchi"].values > 1 + _MISFIT * np.sqrt(2 / max(degrees, 1)))
    result = _warned(result, poor, "lines_do_not_fit", "the lines are not Gaussians of one width, or something else lies there: sigmas hold for the model only; try features={'shoulder': (0.05, 0.2)}")  # fmt: skip
    if not vibrations:
        return result
    seen = sure.sel(component=[f"v{v}" for v in range(1, vibrations + 1)]).any("component").values
    lost, none = good & wide & ~elastic, good & ~seen
    if (lost | none).any():
        for name in ("vibrational_energy", "anharmonicity"):
            for one in (name, f"{name}_sigma"):
                if one in result:
                    array = result[one]
                    result[one] = (array.dims, np.where(lost | none, np.nan, array.values), array.attrs)
    spacing = result["vibrational_energy"].values
    low, high = _TABLE["lattice"]["range"]["value"]
    if lost.any():
        told = "vibrations need a resolution of 0.1 eV or an elastic line to count from: neither is there"
        result = flag(result, lost, "vibrations_unresolved", told)
    warnings = {
        "no_vibrations": (none, "no line of the progression is three times its sigma: there is no spacing to state"),
        "low_resolution": (good & wide & elastic, "lines are wider than 0.1 eV: the spacing rests on the fitted elastic line and the shape of the sum"),
        "lattice_spacing": ((spacing >= low) & (spacing <= high), "vibrations of the lattice lie at 67 to 74 meV, and at 98 meV at the top of charge: no sign of a molecule"),
    }  # fmt: skip
    for name, (mask, text) in warnings.items():
        result = _warned(result, mask, name, text)
    return result


def _warned(result: xr.Dataset, mask: Any, name: str, text: str) -> xr.Dataset:
    return flag(result, mask, name, text, severity="warning") if mask.any() else result


def _check(
    vibrations: int,
    energy: float,
    resolution: float,
    window: tuple[float, float],
    anharmonicity: float | None,
) -> None:
    if not 0 <= vibrations <= 20:
        raise InvalidInput(f"vibrations is the number of lines, 0 to 20, got {vibrations}.")
    for name, value in (("energy", energy), ("resolution", resolution)):
        if not 0 < value < np.inf:
            raise InvalidInput(f"{name} must be a positive number of eV, got {value:g}.")
    if not window[0] < 0 < window[1]:
        raise InvalidInput(f"window must hold the elastic line at 0 eV, got ({window[0]:g}, {window[1]:g}).")
    last = energy * vibrations - (anharmonicity or 0.0) * vibrations * (vibrations + 1)
    if vibrations and last > window[1]:
        raise InvalidInput(
            f"v = {vibrations} lies at {last:.3g} eV, beyond the window that ends at {window[1]:g} eV: widen it or take fewer vibrations."
        )


def _model(
    vibrations: int,
    energy: float,
    anharmonicity: float | None,
    resolution: float,
    features: dict[str, tuple[float, float]],
    window: tuple[float, float],
    background: str,
) -> tuple[tuple[dict[str, Any], ...], dict[str, dict[str, Any]]]:
    """Components and parameters; the positions of the progression are expressions of its two constants."""
    names = ["elastic", *(f"v{v}" for v in range(1, vibrations + 1)), *features]
    model: list[dict[str, Any]] = [{"shape": "gaussian", "prefix": f"{name}_"} for name in names]
    params: dict[str, dict[str, Any]] = {
        "elastic_position": {"value": 0.0, "min": -_REACH * resolution, "max": _REACH * resolution},
        "elastic_fwhm": {"value": resolution, "min": resolution / 4, "max": 4 * resolution},
    }
    if vibrations:
        params["omega"] = {"value": energy, "min": 0.7 * energy, "max": 1.3 * energy}
    anharmonic = anharmonicity is not None and vibrations > 1
    if vibrations:
        start = {"value": float(anharmonicity or 0.0)}
        limits = {"min": -0.05 * energy, "max": 0.05 * energy} if anharmonic else {"vary": False}
        params["omega_x"] = start | limits
    for v in range(1, vibrations + 1):
        params[f"v{v}_position"] = {"expr": f"elastic_position + {v}*omega - {v * (v + 1)}*omega_x"}
        params[f"v{v}_fwhm"] = {"expr": "elastic_fwhm"}
    for name, (position, width) in features.items():
        if not 0 < width < np.inf:
            raise InvalidInput(
                f"features: the width of {name!r} must be a positive number of eV, got {width:g}."
            )
        if name in ("elastic", "floor") or not name.isidentifier():
            raise InvalidInput(f"features: {name!r} cannot be the name of a line here; take another word.")
        params[f"{name}_position"] = {"value": position, "min": position - width, "max": position + width}
        params[f"{name}_fwhm"] = {"value": width, "min": width / 4, "max": 4 * width}
    if background != "none":
        degree = 1 if background == "linear" else 0
        model.append({"shape": "polynomial", "degree": degree, "prefix": "floor_"})
    return tuple(model), params


def _start(
    part: xr.Dataset,
    params: dict[str, dict[str, Any]],
    vibrations: int,
    features: dict[str, tuple[float, float]],
    background: str,
) -> None:
    """Areas and level to start from, out of the mean of all spectra."""
    from spectra.dataset import signal_name

    signal = part[signal_name(part)]
    mean = signal.mean([d for d in signal.dims if d != "energy_loss"]).values
    level = float(np.nanpercentile(mean, 10)) if np.isfinite(mean).any() else 0.0
    above = np.clip(np.nan_to_num(mean) - level, 0, None)
    step = float(np.median(np.diff(part["energy_loss"].values)))
    total = max(float(above.sum()) * step, 1e-12)
    count = 1 + vibrations + len(features)
    for name in ["elastic", *(f"v{v}" for v in range(1, vibrations + 1)), *features]:
        params[f"{name}_area"] = {"value": total / count, "min": 0.0}
    if background != "none":
        params["floor_c0"] = {"value": level}
