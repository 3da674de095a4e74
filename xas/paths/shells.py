"""Shells of neighbours: paths of FEFF fitted to the fine structure of one spectrum or an operando series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import map_spectra, series_dims
from spectra.errors import InvalidInput
from spectra.fitting.arrays import Start
from spectra.verbs import resolve, verb
from xas.exafs.chi_noise import ChiNoise, noise_of_chi
from xas.exafs.transform import fourier_matrix
from xas.paths.entries import PathEntry, starting_parameters
from xas.paths.fit import path_problem
from xas.paths.space import Space
from xas.paths.uncertainty import Uncertainty
from xas.paths.variables import labelled, layout, outputs_of, reported
from xas.points.wavenumber import Window

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["fit_paths"]

Array = npt.NDArray[np.float64]


@verb(
    "xas.fit_paths",
    axis="energy",
    needs={"chi": "xas.autobk"},
    together=lambda options: options["start"] != "fresh",
)
def fit_paths(
    dataset: xr.Dataset,
    *,
    paths: Any,
    parameters: Mapping[str, Any] | None = None,
    k: tuple[float, float] | None = None,
    r: tuple[float, float] = (1.0, 3.0),
    kweight: float | tuple[float, ...] = 2.0,
    dk: float = 1.0,
    window: Window = "hanning",
    space: Space = "r",
    together: str | None = None,
    uncertainty: Uncertainty = "propagated",
    start: Start = "fresh",
    path_curves: bool = True,
    rmax: float = 10.0,
    workers: int | None = None,
) -> xr.Dataset:
    r"""Fit scattering paths of FEFF to chi(k): distances, disorder and coordination of the shells.

    .. math:: \chi(k) = \sum_j \mathrm{Im}\, \frac{N_j S_0^2 f_j(q)}{q R_j^2}
              e^{-2R_j^0\,\mathrm{Im}\,p - 2p^2\sigma_j^2 + i(2qR_j^0 + \phi_j(q) + 2p(\Delta R_j - 2\sigma_j^2/R_j^0))}

    with higher cumulants and broadening as in larch's ``path2chi``, whose names and signs the parameters have.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``chi`` along ``k`` from :func:`xas.autobk`.
    paths : str, FeffPath, table, or a list of these
        A folder with FEFF's ``feffNNNN.dat``, single files, or tables: ``{"file": "feff0001.dat", "label": "Cu 1",
        "deltar": "alpha*reff", "sigma2": "sigma2_debye(295, theta)"}`` with a number or an expression for ``degen``,
        ``s02``, ``e0``, ``deltar``, ``sigma2``, ``third``, ``fourth`` or ``ei``. What a table does not say is the
        parameter of that name, if there is one; else FEFF's degeneracy, 1 for ``s02`` and 0. ``spectrum`` in a table
        names the only one (from 0) of spectra fitted together that the path belongs to.
    parameters : mapping, optional
        Global parameters by name: a start value, or ``{"value", "min", "max", "vary", "expr"}``; with ``"each": True``
        every spectrum that is fitted together has its own. Default: s02, e0, deltar and sigma2 common to all paths.
    k : (float, float), optional
        Range in 1/Å. Default: (3, 12), or to the end of the data where they end earlier.
    r : (float, float)
        Range in Å, on the scale of chi(R), not corrected for phase shifts.
    kweight : float or tuple of float
        Power of k, or several that are fitted at once.
    dk : float
        Width of the window's tapers in 1/Å, as in :func:`xas.fourier`.
    window : {"hanning", "parzen", "welch", "kaiser", "sine", "gaussian", "flat"}
        Shape of the window in k.
    space : {"r", "k", "q"}
        What is compared: chi(R) inside ``r``; chi(k) inside ``k``; or the back-transform from ``r``.
    together : str, optional
        Dimension whose spectra share the parameters. Expressions may use its coordinates: "sigma2_eins(temperature, theta)".
    uncertainty : {"propagated", "independent"}
        Noise of chi(k) carried through the fit; or larch's, from the number of independent points. Both take the size of
        the noise from what the fit leaves over.
    start : {"fresh", "previous", "neighbour"}
        Start values: ``parameters``; the spectrum before; or ``parameters`` and then the neighbours, where they lead lower.
    path_curves : bool
        Keep chi(k) and the magnitude of chi(R) of every path.
    rmax : float
        Last R in Å of chi(R).
    workers : int, optional
        Threads. Default: all cores.

    Returns
    -------
    xarray.Dataset
        Per ``path``: ``path_distance`` and ``path_deltar`` (Å), ``path_sigma2`` (Å²), ``path_e0`` (eV) and
        ``path_amplitude`` (N S0²) with ``_sigma``, ``path_reff`` (Å), ``path_degen``. Per ``exafs_parameter``: ``exafs_value`` and its ``_sigma``;
        ``exafs_correlation`` of the varied ones. Per spectrum: ``exafs_rfactor``, ``exafs_redchi``, ``exafs_aicc``,
        ``exafs_nfev`` and the noise ``exafs_eps_k``. Curves: ``chi_fit``, ``path_chi`` (``k``); ``chir_re``, ``chir_im``,
        ``chir_mag`` of the data, ``chir_fit_re``, ``chir_fit_im``, ``chir_fit_mag`` and ``path_chir_mag`` (``r``), with the
        window and the first k-weight of the fit. Spectra that failed hold NaN and are flagged ``no_chi``,
        ``fit_not_converged`` or ``fit_not_finite``; ``at_bound``, ``undetermined``, ``several_minima`` and
        ``unphysical_path`` are warnings.

    Raises
    ------
    InvalidInput
        Ranges beyond the data or FEFF's tables, paths of another element or edge, a name that is not known or not used,
        more parameters than independent points.
    ReadError
        A file that is not FEFF's.

    Notes
    -----
    Expressions know ``reff``, ``degen``, ``nleg`` and ``rmass`` of the path, ``sigma2_eins(T, theta)`` and
    ``sigma2_debye(T, theta)``; derivatives are exact. ``exafs_redchi`` and ``exafs_aicc`` count
    :math:`2\Delta k \Delta R/\pi + 1` independent points and the noise of chi(R) between 15 and 30 Å; the R factor is
    :math:`\sum (d - f)^2 / \sum d^2` over what is fitted. The choice of ranges, and errors of FEFF's phases
    (about 0.01 Å, 10 % of the amplitude), are in no uncertainty.

    References
    ----------
    M. Newville, J. Synchrotron Rad. 8, 96 (2001), doi:10.1107/S0909049500016290
    J. J. Rehr & R. C. Albers, Rev. Mod. Phys. 72, 621 (2000), doi:10.1103/RevModPhys.72.621

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> k = np.arange(0.0, 15.0, 0.5)
    >>> cu = xas.FeffPath(
    ...     "demo", "", "K", 2.5, 12.0, 1.4, (), k, 3 - 0.6 * k, np.exp(-k / 5), 0 * k, 1 + 0 * k, 8 + 0 * k, k + 0.1)
    >>> energy = np.arange(8800.0, 9700.0, 1.0)
    >>> at = np.sqrt(0.2625 * np.clip(energy - 8980, 0.01, None))
    >>> chi = xas.path_chi(cu, at, s02=0.9, deltar=0.02, sigma2=0.006)
    >>> mu = (1 + chi * (energy > 8990)) / (1 + np.exp(-(energy - 8980) / 1.5))
    >>> scan = spectra.from_arrays(energy, mu, name="mu", attrs={"element": "Cu", "edge": "K"})
    >>> scan = xas.autobk(xas.normalize(scan, e0=8980.0))
    >>> fitted = xas.fit_paths(scan, paths=cu, k=(4, 12), r=(1.5, 3.5))
    >>> fitted.path_distance.values.round(2)
    array([2.52])
    """
    grid = dataset["k"].values.astype(float)
    weights = kweight if isinstance(kweight, tuple) else (kweight,)
    given = starting_parameters(parameters)
    dims = series_dims(dataset)
    if together is not None and together not in dims:
        raise InvalidInput(
            f"together = {together!r} is no dimension of the series; it has {', '.join(dims) or 'none'}."
        )
    problem = path_problem(
        grid, paths=paths, parameters=given, k_range=k, r_range=r, kweights=weights, dk=dk, window=window, space=space,
        conditions=_conditions(dataset, together, given),
        data_sets=dataset.sizes[together] if together else 1,
    )  # fmt: skip
    _check_absorber(dataset, problem.entries)
    low, high = problem.k_range
    resolve(
        k=(low, high),
        parameters=given,
        paths={"content": [entry.to_table() for entry in problem.entries]},
        independent_points=problem.independent,
    )
    transform = fourier_matrix(grid, low, high, kweight=weights[0], taper=dk, shape=window, rmax=rmax)
    noise = noise_of_chi(dataset) if uncertainty == "propagated" else None
    sources = None if noise is None else _sources(noise)
    shown = reported(problem)
    sets = (together,) if together else ()

    def kernel(chi: Array, sizes: Array | None = None) -> Mapping[str, Any]:
        rows = np.asarray(chi if together else chi[..., None, :], float)
        if sizes is not None and not together:
            sizes = sizes[..., None, :]
        fit = problem.fit(
            rows, sources=sources, sizes=sizes, uncertainty=uncertainty, start=start, workers=workers
        )  # fmt: skip
        return outputs_of(fit, rows, transform[1], shown, path_curves, bool(together))

    inputs = [(dataset["chi"], (*sets, "k"))]
    if noise is not None and noise.matrix is not None:
        inputs.append((noise.sizes, (*sets, noise.axis)))
    outputs = layout(shown, sets, path_curves)
    sizes = {
        "path": len(problem.entries), "exafs_parameter": len(problem.model.reported), "r": transform[0].size,
        "exafs_varied": len(problem.model.free), "exafs_varied_2": len(problem.model.free),
    }  # fmt: skip
    kinds = {
        n: (bool if n.startswith("flag_") else int)
        for n in outputs
        if n.startswith("flag_") or n == "exafs_nfev"
    }
    made = map_spectra(kernel, inputs, outputs, sizes=sizes, dtypes=kinds)
    return labelled(dataset, made, problem, transform[0], weights[0])


def _conditions(
    dataset: xr.Dataset, together: str | None, parameters: Mapping[str, Any]
) -> dict[str, Sequence[float]]:
    """Numbers of each spectrum that is fitted together, or of a single spectrum, by the names of their coordinates."""
    count = dataset.sizes[together] if together else 1
    found = {}
    for name, coordinate in dataset.coords.items():
        own = coordinate.dims == (together,) or coordinate.dims == ()
        if own and coordinate.dtype.kind in "fiu" and str(name).isidentifier() and name not in parameters:
            found[str(name)] = np.broadcast_to(coordinate.values.astype(float), count).tolist()
    return found


def _check_absorber(dataset: xr.Dataset, entries: tuple[PathEntry, ...]) -> None:
    element, edge = str(dataset.attrs.get("element", "")), str(dataset.attrs.get("edge", ""))
    for entry in entries:
        theirs = entry.path.absorber
        other = (element and theirs and theirs != element) or (
            edge and entry.path.edge and entry.path.edge != edge
        )
        if entry.spectrum is None and other:
            raise InvalidInput(
                f"path {entry.label!r} was computed for {theirs} {entry.path.edge}, and the data are {element} {edge}: give "
                "paths of the absorber that was measured."
            )


def _sources(noise: ChiNoise) -> Array | None:
    """Matrix from independent noise to chi(k)."""
    if noise.matrix is not None:
        return noise.matrix
    if noise.covariance is None:
        return None
    variance, directions = np.linalg.eigh(np.nan_to_num(noise.covariance))
    return np.asarray(directions * np.sqrt(np.maximum(variance, 0.0)))
