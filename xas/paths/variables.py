"""A fit of paths as variables of a dataset: names, dimensions, units and flags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag
from spectra.fitting.labels import FLAGS
from spectra.verbs import note
from xas.paths.entries import NEUTRAL
from xas.paths.fit import PathFit, PathProblem
from xas.paths.kernels import SLOTS

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["labelled", "layout", "outputs_of", "reported"]

Array = npt.NDArray[np.float64]
Numbers = dict[str, npt.NDArray[Any]]

#: Parameters of a path that are always reported; the others only where a path gives them.
ALWAYS = ("amplitude", "e0", "deltar", "sigma2")
UNITS = {
    "amplitude": "", "e0": "eV", "deltar": "angstrom", "sigma2": "angstrom^2", "third": "angstrom^3",
    "fourth": "angstrom^4", "ei": "eV", "distance": "angstrom",
}  # fmt: skip
MEANING = {
    "amplitude": "coordination number times S0²", "e0": "shift of the energy origin",
    "deltar": "change of the half path length", "sigma2": "mean square disorder of the half path length",
    "third": "third cumulant of the half path length", "fourth": "fourth cumulant of the half path length",
    "ei": "additional broadening", "distance": "half path length R",
}  # fmt: skip
ABOUT = {
    "exafs_value": "fitted value, in the units of the parameter", "exafs_correlation": "correlation of the parameters",
    "exafs_rfactor": "misfit as a share of the data", "exafs_redchi": "reduced chi-square",
    "exafs_aicc": "corrected Akaike information criterion", "exafs_nfev": "evaluations of the model",
    "exafs_eps_k": "noise of chi(k), from chi(R) between 15 and 30 angstrom", "chi_fit": "sum of the paths",
    "path_chi": "chi(k) of the path", "path_chir_mag": "magnitude of chi(R) of the path",
    "chir_re": "real part of chi(R)", "chir_im": "imaginary part of chi(R)", "chir_mag": "magnitude of chi(R)",
    "chir_fit_re": "real part of the fitted chi(R)", "chir_fit_im": "imaginary part of the fitted chi(R)",
    "chir_fit_mag": "magnitude of the fitted chi(R)",
}  # fmt: skip


def reported(problem: PathProblem) -> tuple[str, ...]:
    """Path parameters that are reported."""
    given = {s for e in problem.entries for s in NEUTRAL if e.values[s] != NEUTRAL[s]}
    return tuple(s for s in SLOTS if s in ALWAYS or s in given)


def layout(shown: tuple[str, ...], sets: tuple[str, ...], curves: bool) -> dict[str, tuple[str, ...]]:
    """Names of the outputs and their own dimensions."""
    per_path = [f"path_{name}" for name in ("distance", *shown)]
    dims = dict.fromkeys([*per_path, *(f"{n}_sigma" for n in per_path)], (*sets, "path"))
    dims |= {
        "exafs_value": ("exafs_parameter",), "exafs_value_sigma": ("exafs_parameter",),
        "exafs_correlation": ("exafs_varied", "exafs_varied_2"),
        "exafs_rfactor": (), "exafs_redchi": (), "exafs_aicc": (), "exafs_nfev": (), "exafs_eps_k": sets,
        "chi_fit": (*sets, "k"),
    }  # fmt: skip
    dims |= {f"{n}_{p}": (*sets, "r") for n in ("chir", "chir_fit") for p in ("re", "im", "mag")}
    if curves:
        dims |= {"path_chi": (*sets, "path", "k"), "path_chir_mag": (*sets, "path", "r")}
    return dims | {f"flag_{n}": () for n in (*FLAGS, "unphysical_path") if n != "weak_component"}


def outputs_of(
    fit: PathFit,
    chi: Array,
    matrix: npt.NDArray[np.complex128],
    shown: tuple[str, ...],
    curves: bool,
    sets: bool,
) -> Numbers:
    """Arrays of a fit by the names of the dataset's variables; the dimension of data sets goes where there is one only."""

    def own(values: npt.NDArray[Any], after: int) -> npt.NDArray[Any]:
        return values if sets else values.take(0, axis=values.ndim - 1 - after)

    out: Numbers = {}
    reff = np.array([e.path.reff for e in fit.entries])
    for name in shown:
        out[f"path_{name}"], out[f"path_{name}_sigma"] = (
            own(fit.path_value[name], 1),
            own(fit.path_sigma[name], 1),
        )
    out["path_distance"], out["path_distance_sigma"] = out["path_deltar"] + reff, out["path_deltar_sigma"]
    out |= {
        "exafs_value": fit.value, "exafs_value_sigma": fit.sigma, "exafs_correlation": fit.correlation,
        "exafs_rfactor": fit.rfactor, "exafs_redchi": fit.redchi, "exafs_aicc": fit.aicc, "exafs_nfev": fit.nfev,
        "exafs_eps_k": own(fit.epsilon_k, 0),
    }  # fmt: skip
    used = np.flatnonzero(matrix.any(0))
    part = slice(int(used[0]), int(used[-1]) + 1)
    cut = np.ascontiguousarray(matrix[:, part].T)
    absent = np.isnan(fit.path_value["amplitude"])[..., None]
    total = np.where(absent, 0.0, fit.path_chi).sum(-2)
    total[absent[..., 0].all(-1)] = np.nan
    out["chi_fit"] = own(total, 1)
    for name, curve in (("chir", chi), ("chir_fit", total)):
        z = own(curve[..., part] @ cut, 1)
        out |= {f"{name}_re": z.real, f"{name}_im": z.imag, f"{name}_mag": np.abs(z)}
    if curves:
        out["path_chi"] = own(fit.path_chi, 2)
        out["path_chir_mag"] = np.abs(own(fit.path_chi[..., part] @ cut, 2))
    with np.errstate(invalid="ignore"):
        wrong = (fit.path_value["sigma2"] < 0) | (fit.path_value["amplitude"] < 0)
        anywhere = (
            fit.path_sigma["deltar"] > fit.path_value["deltar"] + reff
        )  # of two paths that came to lie on another
    out |= {f"flag_{n}": f for n, f in fit.flags.items()}
    out["flag_undetermined"] = out["flag_undetermined"] | anywhere.any((-1, -2))
    return out | {"flag_unphysical_path": np.asarray(wrong.any((-1, -2)))}


def labelled(
    dataset: xr.Dataset, made: dict[str, xr.DataArray], problem: PathProblem, r: Array, power: float
) -> xr.Dataset:
    """``dataset`` with the variables of a fit, their units, names and flags; those of an earlier fit are replaced."""
    if "r" in dataset.dims:
        note("chi(R) of an earlier call was replaced by that with the window and the k-weight of the fit")
    result = dataset.drop_dims(
        ["r", "path", "exafs_parameter", "exafs_varied", "exafs_varied_2"], errors="ignore"
    )
    result = result.drop_vars([n for n in result.data_vars if str(n).startswith(("exafs_", "chi_fit"))])
    units = {f"path_{n}": u for n, u in UNITS.items()} | {"path_chi": "", "chi_fit": ""}
    in_r = f"1/angstrom^{power + 1:g}"
    for name, array in made.items():
        stem = name.removesuffix("_sigma")
        array.attrs["units"] = in_r if "chir" in stem else units.get(stem, "")
        meaning = MEANING.get(stem.removeprefix("path_")) or ABOUT.get(stem)
        if meaning:
            uncertain = name.endswith("_sigma")
            array.attrs["long_name"] = f"standard uncertainty of the {meaning}" if uncertain else meaning
    result = result.assign({n: a for n, a in made.items() if not n.startswith("flag_")})
    entries = problem.entries
    axis = {"units": "angstrom", "long_name": "distance R, not corrected for phase shifts"}
    result = result.assign_coords(
        r=("r", r, axis),
        path=("path", [e.label for e in entries]),
        path_geometry=("path", [e.path.geometry for e in entries]),
        exafs_parameter=("exafs_parameter", list(problem.model.reported)),
        exafs_varied=("exafs_varied", list(problem.model.free)),
    ).assign(
        path_reff=(
            "path",
            [e.path.reff for e in entries],
            {"units": "angstrom", "long_name": "half path length of FEFF"},
        ),
        path_degen=(
            "path",
            [e.degeneracy for e in entries],
            {"units": "", "long_name": "degeneracy of FEFF's path"},
        ),
    )
    return _flagged(result, made)


def _flagged(result: xr.Dataset, made: Mapping[str, xr.DataArray]) -> xr.Dataset:
    told = dict(FLAGS)
    told["no_chi"] = (
        "failed",
        "chi(k) is not known throughout the window: shorten k, or look at the flags of xas.autobk",
    )
    told["unphysical_path"] = (
        "warning",
        "A path has a negative sigma2 or amplitude; tie it to others or leave it out.",
    )
    like = result["chi"].isel(k=0, drop=True)
    for name in (n.removeprefix("flag_") for n in made if n.startswith("flag_")):
        where = made[f"flag_{name}"].broadcast_like(like)
        if where.chunks is not None or bool(where.any()):
            name = "no_chi" if name == "fit_too_few_points" else name
            severity, text = told[name]
            result = flag(result, where, name, text, severity=severity)
    return result
