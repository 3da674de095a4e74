"""What every verb promises, checked on every verb that any installed package announces.

Input unchanged, call in the history, unknown options and foreign axes refused, a series the same as a loop, a lazy
dataset the same as one in memory, a bad spectrum flagged and its neighbours untouched.
"""

import json

import numpy as np
import pytest
import xarray as xr

import raman
import spectra
import xas
import xps
from spectra.dataset import failed, flag_names, series_dims, signal_name, spectral_axis
from spectra.verbs import find_verb, history, list_verbs, part_of_series, settled

N = 3


def _xas_series() -> xr.Dataset:
    energy = np.concatenate(
        [np.arange(6339, 6529, 4.0), np.arange(6529, 6580, 0.4), np.arange(6580, 7339, 2.5)]
    )
    edge = 6546.0 + np.arange(N)[:, None]
    k = np.sqrt(0.262468424 * np.clip(energy - edge, 0, None))
    fine = np.where(energy > edge, 0.4 * np.sin(2 * 2.0 * k) * np.exp(-0.02 * k**2) / (1 + k), 0)
    step = 0.5 + np.arctan((energy - edge) / 1.5) / np.pi
    white_line = 0.4 * np.exp(-(((energy - edge - 6) / 5) ** 2))
    mu = 0.6 - 1e-4 * (energy - 6540) + 0.8 * (step + white_line + step * fine)
    mu = mu + np.random.default_rng(1).normal(scale=1e-4, size=mu.shape)
    attrs = {"technique": "xas", "element": "Mn", "edge": "K"}
    return spectra.from_arrays(energy, mu, name="mu", dims=("scan",), attrs=attrs)


def _xps_series() -> xr.Dataset:
    energy = np.arange(632, 664, 0.1)
    doublet = np.exp(-(((energy - 641.9) / 1.3) ** 2)) + 0.5 * np.exp(-(((energy - 653.5) / 1.4) ** 2))
    loss = np.cumsum(doublet) / doublet.sum()
    counts = np.random.default_rng(2).poisson(
        (2000 + 3000 * doublet + 800 * loss) * np.arange(1, N + 1)[:, None]
    )
    attrs = {"technique": "xps", "region": "Mn 2p", "element": "Mn"}
    return spectra.from_arrays(
        energy, counts, axis="binding_energy", name="counts", units="counts", dims=("scan",), attrs=attrs
    )


def _normalized() -> xr.Dataset:
    return xas.normalize(_xas_series(), pre=(-180, -30), post=(60, 700))


def _xas_reference() -> tuple[np.ndarray, np.ndarray]:
    """Energies and values of the first spectrum, its scale 0.7 eV off."""
    first = _xas_series().isel(scan=0)
    return first.energy.values - 0.7, first.mu.values


def _xas_repeats() -> xr.Dataset:
    """Four repeats of each scan, with noise of their own."""
    repeats = _xas_series().expand_dims(repeat=4, axis=1)
    noise = np.random.default_rng(4).normal(scale=1e-3, size=repeats.mu.shape)
    return repeats.assign(mu=repeats.mu + noise)


def _standards() -> dict[str, xr.Dataset]:
    scans = xas.normalize(_xas_series(), pre=(-180, -30), post=(60, 700))
    return {"low": scans.isel(scan=0), "high": scans.isel(scan=2)}


def _long_series() -> xr.Dataset:
    """More spectra, of which the contract looks at the first three."""
    scans = xas.normalize(_xas_series(), e0=6546.0, pre=(-180, -30), post=(60, 700))
    share = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0], [0.2, 0.3, 0.5], [0, 0.4, 0.6]])
    return scans.isel(scan=[0] * 6).assign(
        norm=(("scan", "energy"), share @ scans.norm.values, {"units": ""})
    )


def _timed_series() -> xr.Dataset:
    starts = [f"2022-07-26T23:0{i}:00" for i in range(N)]
    return _xas_series().assign_coords(start_time=("scan", starts))


def _cycler_log() -> xr.Dataset:
    time = ("time", np.arange(0, 600.0, 30), {"units": "s", "start": "2022-07-26T22:59:00"})
    voltage = ("time", np.linspace(3.5, 4.2, 20), {"units": "V"})
    return xr.Dataset({"voltage": voltage}, {"time": time})


def _valence_line() -> dict:
    """A calibration as a recipe writes it, of the series itself."""
    made = xas.calibrate_valence(xas.edge_position(_normalized()), valences=(2, 3, 4))
    return made.to_spec()


def _path() -> xas.FeffPath:
    k = np.arange(0.0, 16.0, 0.5)
    atoms = [
        {"symbol": s, "number": n, "potential": i, "place": (2.0 * i, 0, 0)}
        for i, (s, n) in enumerate((("Mn", 25), ("O", 8)))
    ]
    table = {
        "title": "",
        "edge": "K",
        "reff": 2.0,
        "degeneracy": 6.0,
        "norman_radius": 1.3,
        "atoms": atoms,
        "k": k,
    }
    table |= {
        "central_phase": 2 - 0.4 * k,
        "magnitude": np.exp(-k / 6),
        "scattering_phase": 0 * k,
        "reduction": 1 + 0 * k,
    }
    return xas.FeffPath.from_spec(
        {"name": "Mn-O", **table, "mean_free_path": 8 + k, "real_p": np.hypot(k, 1.5)}
    )


def _raman_series() -> xr.Dataset:
    """Two bands on fluorescence, a cosmic ray in the last."""
    shift = np.arange(300.0, 900.0, 2.0)
    bands = 300 / (1 + ((shift - 590) / 12) ** 2) + 500 / (1 + ((shift - 633) / 15) ** 2)
    glow = 2000 * np.exp(-shift / 700)
    counts = np.random.default_rng(7).poisson((bands + glow) * np.arange(1, N + 1)[:, None]).astype(float)
    counts[2, 100] += 900
    attrs = {"technique": "raman"}
    return spectra.from_arrays(shift, counts, axis="raman_shift", units="counts", dims=("scan",), attrs=attrs)


def _core_loss() -> xr.Dataset:
    """Mn L edges of electrons: two lines and two steps on a power law."""
    loss = np.arange(590.0, 700.0, 0.4)
    lines = 2.5 / (1 + ((loss - 643) / 1.4) ** 2) + 1.0 / (1 + ((loss - 654) / 1.4) ** 2)
    steps = 0.4 * (loss > 643) + 0.2 * (loss > 654)
    mean = (2000 * (loss / 640) ** -3.0 + 900 * (lines + steps)) * np.arange(1, N + 1)[:, None]
    counts = np.random.default_rng(9).poisson(mean)
    attrs = {"technique": "eels", "element": "Mn", "edge": "L3"}
    return spectra.from_arrays(
        loss, counts, axis="energy_loss", name="counts", units="counts", dims=("scan",), attrs=attrs
    )


def _oxygen_edge() -> xr.Dataset:
    """O K edge of electrons with a pre-edge peak on a power law."""
    loss = np.arange(450.0, 600.0, 0.4)
    peaks = 0.8 * np.exp(-(((loss - 530) / 0.9) ** 2)) + 2 * np.exp(-(((loss - 537) / 2.5) ** 2))
    mean = 9e3 * (loss / 500) ** -3 + 2000 * (peaks + (loss > 534.2))
    counts = np.random.default_rng(12).poisson(mean * np.arange(1, N + 1)[:, None])
    return spectra.from_arrays(
        loss, counts, axis="energy_loss", name="counts", units="counts", dims=("scan",), attrs={"technique": "eels"}
    )  # fmt: skip


def _edge_references() -> dict[str, xr.Dataset]:
    """The sum of the core losses without its background, 0.3 and 1.5 eV higher."""
    bare = xas.eels.subtract_background(_core_loss().sum("scan", keep_attrs=True), window=(595, 634))
    moved = bare.assign_coords(energy_loss=bare.energy_loss + 1.5)
    return {
        "low": bare.assign_coords(energy_loss=bare.energy_loss + 0.3),
        "high": moved.assign(net=moved.net * np.linspace(1, 1.5, moved.energy_loss.size)),
    }


def _low_loss() -> xr.Dataset:
    """Zero-loss peaks that wander, and a plasmon."""
    loss = np.arange(-20.0, 80.0, 0.25)
    at = 0.3 * np.arange(N)[:, None]
    mean = 1e5 * np.exp(-(((loss - at) / 0.5) ** 2)) + 2e3 * np.exp(-(((loss - at - 22) / 4) ** 2)) + 20
    counts = np.random.default_rng(10).poisson(mean)
    return spectra.from_arrays(
        loss,
        counts,
        axis="energy_loss",
        name="counts",
        units="counts",
        dims=("scan",),
        attrs={"technique": "eels"},
    )


def _white_lamp() -> xr.Dataset:
    shift = np.arange(250.0, 950.0, 3.0)
    return spectra.from_arrays(shift, 1e4 - 5 * shift, axis="raman_shift", sigma=0.01 * shift)


def _raman_axis() -> dict:
    """A calibration of the Raman axis as a recipe writes it."""
    shift = np.arange(300.0, 900.0, 2.0)
    wafer = np.random.default_rng(8).poisson(50 + 9000 / (1 + ((shift - 522.0) / 4) ** 2))
    return raman.calibrate_axis({"silicon": spectra.from_arrays(shift, wafer, axis="raman_shift")}).to_spec()


def _carbon_series() -> xr.Dataset:
    shift = np.arange(850.0, 1950.0, 4.0)
    bands = 60 / (1 + ((shift - 1345) / 75) ** 2) + 280 / (1 + ((shift - 1585) / 40) ** 2)
    counts = np.random.default_rng(8).poisson((bands + 200) * np.arange(1, N + 1)[:, None])
    attrs = {"technique": "raman", "laser_wavelength": 532.0}
    return spectra.from_arrays(
        shift, counts, axis="raman_shift", name="counts", units="counts", dims=("scan",), attrs=attrs
    )


def _survey() -> xr.Dataset:
    """O 1s and Mn 2p in one spectrum, counted alike."""
    energy = np.arange(515.0, 665.0, 0.5)
    o1s = np.exp(-(((energy - 530) / 1.5) ** 2))
    mn2p = np.exp(-(((energy - 641.9) / 1.9) ** 2)) + 0.5 * np.exp(-(((energy - 653.5) / 2) ** 2))
    counts = np.random.default_rng(5).poisson((900 + 4000 * o1s + 3000 * mn2p) * np.arange(1, N + 1)[:, None])
    attrs = {"technique": "xps", "region": "survey", "photon_energy": 1486.6}
    return spectra.from_arrays(
        energy, counts, axis="binding_energy", name="counts", units="counts", dims=("scan",), attrs=attrs
    )


def _mn3s() -> xr.Dataset:
    energy = np.arange(76.0, 97.0, 0.1)
    lines = np.exp(-(((energy - 83.2) / 1.5) ** 2)) + 0.6 * np.exp(-(((energy - 88.0) / 1.5) ** 2))
    counts = np.random.default_rng(6).poisson((600 + 900 * lines) * np.arange(1, N + 1)[:, None])
    attrs = {"technique": "xps", "region": "Mn 3s", "element": "Mn"}
    return spectra.from_arrays(
        energy, counts, axis="binding_energy", name="counts", units="counts", dims=("scan",), attrs=attrs
    )


_SURVEYED = {"windows": {"O 1s": (520, 540), "Mn 2p": (634, 662)}, "background": "linear"}


def _xps_references() -> dict[str, xr.Dataset]:
    """Two pure spectra, the second 2 eV above the first."""
    series = _xps_series()
    moved = series.assign_coords(binding_energy=series.binding_energy + 2.0)
    moved = moved.interp(binding_energy=series.binding_energy, kwargs={"fill_value": "extrapolate"})
    return {"low": series.isel(scan=0), "high": moved.isel(scan=2)}


def _infrared(signal: str = "absorbance") -> xr.Dataset:
    """Two bands, growing along the series, with noise and its sigma."""
    nu = np.arange(800.0, 4000.0, 2.0)
    bands = 0.4 * np.exp(-(((nu - 1100) / 40) ** 2)) + 0.2 * np.exp(-(((nu - 2900) / 60) ** 2))
    absorbance = 0.05 + bands * np.arange(1, N + 1)[:, None]
    absorbance = absorbance + np.random.default_rng(8).normal(scale=1e-4, size=absorbance.shape)
    values = absorbance if signal == "absorbance" else 10**-absorbance
    return spectra.from_arrays(
        nu, values, axis="wavenumber", name=signal, sigma=np.full(values.shape, 1e-4), dims=("scan",),
        attrs={"technique": "ftir"},
    )  # fmt: skip


def _gas() -> tuple[np.ndarray, np.ndarray]:
    """Lines of a gas on the axis of the infrared spectra."""
    nu = _infrared().wavenumber.values
    return nu, sum(0.1 / (1 + ((nu - p) / 3) ** 2) for p in np.arange(1400.0, 1900.0, 23.0))


def _interferograms() -> xr.Dataset:
    """Two bands of light, growing along the series."""
    path = np.arange(-100, 900) / 15798.0
    light = sum(np.cos(2 * np.pi * p * path) * np.exp(-((path / 0.003) ** 2)) for p in (1500.0, 2500.0))
    values = light * np.arange(1, N + 1)[:, None]
    return spectra.from_arrays(
        path, values, axis="path_difference", name="interferogram", units="V", sigma=np.full(values.shape, 1e-3),
        dims=("scan",), attrs={"technique": "ftir"},
    )  # fmt: skip


def _exposures() -> xr.Dataset:
    """Photons on two detectors, the second 30 channels below, growing along the series."""
    channel = np.arange(600.0)
    line = [
        np.exp(-0.5 * ((channel - c) / 6) ** 2) + 0.2 * np.exp(-0.5 * ((channel - c + 140) / 15) ** 2)
        for c in (400, 370)
    ]
    counts = np.random.default_rng(9).poisson(1 + 100 * np.array(line) * np.arange(1, N + 1)[:, None, None])
    return spectra.from_arrays(
        channel, counts, axis="detector_channel", name="counts", units="counts", dims=("scan", "detector"),
        attrs={"technique": "rixs"},
    )  # fmt: skip


def _two_edges() -> xr.Dataset:
    """O K and Mn L edges of electrons on a power law."""
    loss = np.arange(450.0, 720.0, 0.5)
    mean = 9e3 * (loss / 500) ** -3 + 800 * ((loss > 532) & (loss < 585)) + 500 * (loss > 640)
    counts = np.random.default_rng(10).poisson(mean * np.arange(1, N + 1)[:, None])
    return spectra.from_arrays(
        loss,
        counts,
        axis="energy_loss",
        name="counts",
        units="counts",
        dims=("scan",),
        attrs={"technique": "eels"},
    )


def _line_scan() -> xr.Dataset:
    """A ratio of white lines that falls from the surface to the core."""
    ratio = np.where(np.arange(9) < 4, 3.0, 2.2) + 0.05 * np.random.default_rng(12).normal(size=9)
    line = spectra.from_arrays([630.0, 640.0], np.ones((9, 2)), axis="energy_loss", dims=("scan",))
    return line.assign(
        l3_l2_ratio=("scan", ratio, {"units": ""}),
        l3_l2_ratio_sigma=("scan", np.full(9, 0.05), {"units": ""}),
    )


def _progression() -> xr.Dataset:
    """An elastic line and two vibrations beside it."""
    loss = np.arange(-0.5, 1.3, 0.01)
    places, heights = np.array([0.0, 0.193, 0.383]), np.array([300, 90, 70])
    lines = (heights * np.exp(-4 * np.log(2) * ((loss[:, None] - places) / 0.085) ** 2)).sum(axis=1) + 4
    counts = np.random.default_rng(11).poisson(lines * np.arange(1, N + 1)[:, None])
    return spectra.from_arrays(
        loss, counts, axis="energy_loss", name="counts", units="counts", dims=("scan",), attrs={"technique": "rixs"}
    )  # fmt: skip


def _iron_edge() -> xr.Dataset:
    """L edges of iron in soft X-rays: both states, on a level background."""
    energy = np.arange(698.0, 731.0, 0.25)
    places = ((707.8, 0.7, 3.0), (709.5, 0.8, 3.0), (720.7, 1.2, 1.0), (722.5, 1.2, 1.0))
    lines = sum(h * np.exp(-(((energy - at) / w) ** 2)) for at, w, h in places)
    density = 0.3 + 0.1 * (lines + 0.5 * (energy > 708.6)) * np.arange(1, N + 1)[:, None]
    density = density + np.random.default_rng(12).normal(scale=0.003, size=density.shape)
    return spectra.from_arrays(
        energy, density, name="optical_density", sigma=np.full(density.shape, 0.003), dims=("scan",),
        attrs={"technique": "xas", "element": "Fe", "edge": "L3"},
    )  # fmt: skip


def _iron_net() -> xr.Dataset:
    return xas.eels.subtract_background(_iron_edge(), window=(698, 705), method="polynomial", degree=0)


def _transmitted() -> xr.Dataset:
    density = _iron_edge()
    counts = np.random.default_rng(13).poisson(2e4 * np.exp(-density.optical_density.values))
    stack = density.drop_vars(["optical_density", "optical_density_sigma"])
    return stack.assign(
        itrans=(("scan", "energy"), counts, {"units": "counts"}),
        i0=("energy", np.full(counts.shape[-1], 2e4), {"units": "counts"}),
    ).assign_attrs(signal="itrans")


def _resolved_iron() -> xr.Dataset:
    return spectra.mcr_als(_iron_net(), n=1)


def _wandering_images() -> xr.Dataset:
    """An image that moves from energy to energy."""
    y, x = np.mgrid[:12, :12]
    images = [np.exp(-(((y - 6) / 3) ** 2) - ((x - 5 - 0.6 * i) / 3) ** 2) for i in range(4)]
    return spectra.from_arrays(
        np.arange(700.0, 704.0), np.moveaxis(np.array(images), 0, -1), name="mu", dims=("scan", "x")
    )


def _oxygen_losses(parts: int = 0) -> xr.Dataset:
    """Elastic line, the emission of the valence band and that of molecular oxygen, excited at 531 eV."""
    loss = np.arange(-1.0, 12.0, 0.05)
    lines = ((0.0, 0.12, 300), (4.3, 1.0, 15), (5.5, 2.5, 60), (8.0, 1.0, 30))
    mean = sum(h * np.exp(-4 * np.log(2) * ((loss - p) / w) ** 2) for p, w, h in lines) + 1
    each = np.arange(1, N + 1)[:, None]
    scale = each[..., None] * np.ones((parts, 1)) if parts else each
    return spectra.from_arrays(
        loss, np.random.default_rng(12).poisson(mean * scale), axis="energy_loss", name="counts", units="counts",
        dims=("scan", "part") if parts else ("scan",),
        attrs={"technique": "rixs", "incident_energy": 531.0, "exposure_time": 900.0},
    )  # fmt: skip


#: verb -> (dataset it works on, its options). A new verb needs a line here.
CASES = {
    "spectra.crop": (_xps_series, {"window": (638, 648)}),
    "spectra.despike": (_raman_series, {"width": 3}),
    "spectra.smooth": (_raman_series, {"window": 7}),
    "spectra.resample": (_raman_series, {"step": 3.0}),
    "spectra.denoise": (lambda: _raman_series().isel(scan=[0, 1, 2, 0, 1, 2]), {"components": 2}),
    "spectra.subtract_baseline": (_raman_series, {"method": "arpls"}),
    "spectra.join_cycler": (_timed_series, {"cycler": _cycler_log(), "duration": 40.0}),
    "raman.diagnose_ordering": (_raman_series, {"shift_sigma": 0.5}),
    "raman.correct_atr": (_infrared, {"crystal_index": 2.4}),
    "raman.to_absorbance": (lambda: _infrared("transmittance"), {}),
    "raman.kubelka_munk": (lambda: _infrared("reflectance"), {}),
    "raman.transform_interferogram": (_interferograms, {"window": (1000, 3000)}),
    "raman.remove_atmosphere": (_infrared, {"atmosphere": _gas()}),
    "raman.emsc": (
        _infrared,
        {"reference": (_infrared().wavenumber.values, _infrared().absorbance.values[1] ** 1.1)},
    ),
    "raman.calibrate": (_raman_series, {"calibration": _raman_axis()}),
    "spectra.mcr_als": (_raman_series, {"n": 1}),
    "raman.carbon_disorder": (_carbon_series, {"measure": "area", "size": "cancado"}),
    "raman.normalize": (lambda: spectra.subtract_baseline(_raman_series()), {"method": "max"}),
    "raman.calibrate_intensity": (_raman_series, {"source": _white_lamp()}),
    "raman.fit_bands": (_raman_series, {"bands": (590.0, 633.0)}),
    "raman.rank_phases": (
        lambda: raman.fit_bands(_raman_series(), (590.0, 633.0)),
        {"phases": ("lnmo", "licoo2")},
    ),
    "xas.normalize": (_xas_series, {"pre": (-180, -30), "post": (60, 700)}),
    "xas.align": (_xas_series, {"to": _xas_reference()}),
    "xas.merge": (_xas_repeats, {"dim": "repeat"}),
    "xas.deglitch": (_xas_series, {"at": (7000.0,)}),
    "xas.rebin": (_xas_series, {"e0": 6546.0}),
    "xas.edge_position": (_normalized, {}),
    "xas.white_line": (_normalized, {}),
    "xas.valence": (lambda: xas.edge_position(_normalized()), {"calibration": _valence_line()}),
    "xas.information_depth": (
        _xas_series,
        {"detection": "fluorescence", "formula": "LiMn2O4", "density": 4.2},
    ),
    "xas.pre_edge_peaks": (_normalized, {"components": (6535.0,)}),
    "xas.mback": (_xas_series, {"e0": 6547.0, "pre": (-180, -30), "post": (100, 700)}),
    "xas.correct_overabsorption": (_normalized, {"formula": "MnC40", "thickness": 100.0, "density": 1.5}),
    "xas.autobk": (_normalized, {}),
    "xas.fourier": (lambda: xas.autobk(_normalized()), {"k": (3, 12)}),
    "xas.fit_paths": (lambda: xas.autobk(_normalized()), {"paths": _path(), "k": (3, 11), "r": (1.0, 3.0)}),
    "xas.back_fourier": (lambda: xas.fourier(xas.autobk(_normalized())), {"r": (1.0, 3.0)}),
    "xas.estimate_noise": (lambda: xas.autobk(_normalized()), {"kweight": 1.5}),
    "xas.wavelet": (
        lambda: xas.autobk(_normalized()),
        {"rmax": 3.0, "regions": {"shell": ((4.0, 9.0), (1.5, 2.5))}},
    ),
    "xas.linear_combination": (_normalized, {"standards": _standards()}),
    "xas.principal_components": (_long_series, {}),
    "xas.mcr_als": (_long_series, {"n": 2}),
    "xas.target_transform": (lambda: xas.principal_components(_long_series()), {"candidates": _standards()}),
    "xas.eels.subtract_background": (_core_loss, {"window": (595, 634)}),
    "xas.eels.align_zero_loss": (_low_loss, {}),
    "xas.eels.thickness": (_low_loss, {}),
    "xas.eels.fourier_log": (_low_loss, {}),
    "xas.eels.fourier_ratio": (
        lambda: xas.eels.subtract_background(_core_loss(), window=(595, 634)),
        {"low_loss": _low_loss().isel(scan=0)},
    ),
    "xas.eels.richardson_lucy": (
        lambda: xas.eels.subtract_background(_core_loss(), window=(595, 634)),
        {"psf": _low_loss().isel(scan=0), "draws": 3},
    ),
    "xas.eels.white_line_ratio": (
        lambda: xas.eels.subtract_background(_core_loss(), window=(595, 634)),
        {"method": "all", "positions": "own"},  # else what is weak is taken from the sum of the series
    ),
    "xas.eels.optical_density": (_transmitted, {"incident": "measured", "gain": 1.0}),
    "xas.eels.calibrate_energy": (_core_loss, {"features": {"Mn L3": (638, 648, 641.5)}}),
    "xas.eels.align_frames": (_wandering_images, {}),
    "xas.eels.compare_frames": (_core_loss, {"along": "scan", "gain": 1.0, "windows": {"L3": (638, 648)}}),
    "xas.eels.iron_window_ratio": (_iron_net, {"fe2_maximum": 707.8}),
    "xas.eels.ferric_fraction": (lambda: xas.eels.iron_window_ratio(_iron_net(), fe2_maximum=707.8), {}),
    "xas.eels.species_fraction": (_resolved_iron, {"level": (726, 731)}),
    "xas.eels.oxygen_pre_edge": (_oxygen_edge, {"background": (460, 524)}),
    "xas.eels.fit_references": (
        _core_loss,
        {"references": _edge_references(), "window": (620, 680), "valences": {"low": 2.0, "high": 3.0}},
    ),
    "xas.eels.quantify": (
        _two_edges,
        {
            "background": ((460, 525), (590, 635)),
            "signal": ((532, 582), (640, 690)),
            "k": 1.4,
            "k_sigma": 0.1,
        },
    ),
    "xas.eels.surface_profile": (_line_scan, {"quantities": ("l3_l2_ratio",), "dim": "scan"}),
    "xas.rixs.fit_lines": (_progression, {"vibrations": 2}),
    "xas.rixs.normalize": (_oxygen_losses, {"emission": (524.5, 527.5)}),  # columns compared: tests/xas/rixs
    "xas.rixs.oxygen_fingerprint": (_oxygen_losses, {"second": False}),
    "xas.rixs.integrate_windows": (_oxygen_losses, {"windows": {"band": (524.5, 527)}, "inverse": ("band",)}),
    "xas.rixs.compare_parts": (lambda: _oxygen_losses(3), {"windows": {"O2": (7.5, 8.5)}}),
    "xas.rixs.reduce": (_exposures, {"dispersion": 0.01, "elastic": 400.0, "normalize": (1.0, 2.0)}),
    "xps.calibrate": (_xps_series, {"shift": 0.3}),
    "xps.subtract_background": (_xps_series, {}),
    "xps.quantify": (_survey, _SURVEYED),
    "xps.multiplet_splitting": (lambda: xps.subtract_background(_mn3s(), method="linear"), {}),
    "xps.detection_limit": (
        _survey,
        {
            "line": "N 1s",
            "position": 580.0,
            "fwhm": 2.0,
            "window": (560, 600),
            "regions": {"O 1s": {"area": 5000.0, "area_sigma": 90.0, "photon_energy": 1486.6}},
        },
    ),
    "xps.overlayer_thickness": (
        lambda: xps.quantify(_survey(), **_SURVEYED),
        {"overlayer": "O 1s", "substrate": "Mn 2p", "material": "Li2O", "substrate_material": "Mn"},
    ),
    "xps.information_depth": (_xps_series, {"material": "MnO", "photon_energy": 1486.6}),
    "xps.audit": (
        lambda: xps.deconvolve(xps.subtract_background(_xps_series()), states=("Mn3+", "Mn4+")),
        {"compound": "LiMn2O4"},
    ),
    "xps.fit_references": (_xps_series, {"references": _xps_references()}),
    "xps.deconvolve": (lambda: xps.subtract_background(_xps_series()), {"states": ("Mn3+", "Mn4+")}),
}


def _left_open(entry: dict) -> dict:
    """What the options came to that the call left to the verb."""
    return {k: v for k, v in entry.get("resolved", {}).items() if entry["options"].get(k, 0) is None}


def _frozen(dataset: xr.Dataset) -> xr.Dataset:
    """The same dataset over read-only arrays."""
    copy = dataset.copy(deep=True)
    for variable in copy.data_vars.values():
        variable.values.setflags(write=False)
    return copy


def test_every_verb_is_under_contract():
    packages = ("spectra.", "xas.", "xps.", "raman.")
    announced = {v.name for v in list_verbs() if not v.reads_files and v.name.startswith(packages)}
    missing = sorted(announced - set(CASES) - {"spectra.fit"})  # spectra.fit: tests/spectra/fitting
    assert not missing, f"add a line to CASES of this file for {', '.join(missing)}"
    gone = sorted(set(CASES) - announced)
    assert not gone, f"CASES has what no STEPS announces: {', '.join(gone)}"


@pytest.mark.parametrize("name", CASES)
class TestVerbContract:
    def call(self, name, dataset):
        return find_verb(name).function(dataset, **CASES[name][1])

    def test_input_is_unchanged_and_the_call_is_in_the_history(self, name):
        data = _frozen(CASES[name][0]())
        before = data.copy(deep=True)
        result = self.call(name, data)
        xr.testing.assert_identical(data, before)
        assert [e["verb"] for e in history(result)] == [*(e["verb"] for e in history(data)), name]
        assert set(CASES[name][1]) <= set(history(result)[-1]["options"])

    def test_everything_added_has_units(self, name):
        data = CASES[name][0]()
        result = self.call(name, data)
        missing = [n for n, v in result.variables.items() if v.dtype.kind in "fiu" and "units" not in v.attrs]
        assert missing == []

    def test_an_unknown_option_is_a_type_error(self, name):
        with pytest.raises(TypeError, match="has no option 'windwo'"):
            find_verb(name).function(CASES[name][0](), windwo=1)

    def test_a_foreign_axis_is_refused(self, name):
        if name.startswith("spectra."):
            return  # the core's verbs serve every axis
        axis = "energy" if name.startswith("raman.") else "raman_shift"
        other = spectra.from_arrays(np.arange(100.0), np.ones(100), axis=axis)
        with pytest.raises(ValueError, match=f"this dataset has {axis}"):
            self.call(name, other)

    def test_a_series_equals_a_loop(self, name):
        if find_verb(name).together is True:
            return
        data = CASES[name][0]()
        whole = self.call(name, data)
        for i in range(N):
            if name in {
                "xas.normalize"
            }:  # one E0 for the whole series: given here, as a single spectrum has its own
                one = find_verb(name).function(
                    data.isel(scan=i), **CASES[name][1], e0=float(whole.e0.values.flat[0])
                )
            else:
                one = self.call(name, data.isel(scan=i))
            self.assert_close(one, whole.isel(scan=i))

    def test_a_lazy_dataset_gives_the_same(self, name):
        data = CASES[name][0]()
        lazy = self.call(name, data.chunk({"scan": 1}))
        self.assert_close(lazy.compute(), self.call(name, data))

    def test_a_bad_spectrum_is_flagged_and_its_neighbours_are_not_touched(self, name):
        if find_verb(name).together is True:
            return  # tests/xas/test_components.py, test_curve_resolution.py
        data = CASES[name][0]()
        bad = data.copy(deep=True)
        for variable in bad.data_vars:
            if "scan" in bad[variable].dims and variable != "status":
                bad[variable] = bad[variable].astype(float)
                bad[variable][{"scan": 1}] = np.nan
        result = self.call(name, bad)
        # how deep a technique looks is asked of no spectrum
        if not name.startswith("spectra.") and not name.endswith(".information_depth"):
            assert list(failed(result).values) == [False, True, False]
        good = self.call(name, data)
        for i in (0, 2):
            self.assert_close(result.isel(scan=i), good.isel(scan=i))

    def test_a_map_works_like_a_series(self, name):
        if find_verb(name).together is True:
            return
        data = CASES[name][0]()
        as_map = data.expand_dims(y=2).copy(deep=True)
        whole = self.call(name, as_map)
        self.assert_close(whole.isel(y=1), self.call(name, data))

    def test_a_shard_gives_what_the_series_gives(self, name):
        """A part, with the first spectrum going along and what was settled for the series, as runs in shards do it."""
        found = find_verb(name)
        if found.takes_series_together(CASES[name][1]):
            return
        data = CASES[name][0]()
        whole = self.call(name, data)
        said = history(whole)[-1]
        if found.takes_series_together(said["options"] | _left_open(said)):
            return
        json.dumps(said.get("series", {}))
        with settled(said.get("series", {})), part_of_series(N):
            part = self.call(name, data.isel(scan=[0, 2])).isel(scan=[1])
        own = [str(v) for v in whole.data_vars if "scan" in whole[v].dims]
        assert set(own) <= set(part.data_vars)
        self.assert_close(part[own], whole[own].isel(scan=[2]))

    @staticmethod
    def assert_close(one, other):
        if (
            "status" in one and "status" in other
        ):  # bits are numbered as flags come up: what they say is compared
            assert one.status.shape == other.status.shape
            for index in np.ndindex(one.status.shape):
                at = dict(zip(one.status.dims, index, strict=True))
                assert set(flag_names(one, **at)) == set(flag_names(other, **at)), at
        for variable in one.data_vars:
            if one[variable].dtype.kind in "fiu" and variable in other and variable != "status":
                expected, got = np.broadcast_arrays(other[variable].values, one[variable].values)
                scale = np.nanmax(np.abs(expected)) if np.isfinite(expected).any() else 1.0
                np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-9 * scale, err_msg=str(variable))


def test_the_samples_are_what_they_say():
    for make, axis, signal in ((_xas_series, "energy", "mu"), (_xps_series, "binding_energy", "counts")):
        data = make()
        assert (spectral_axis(data), signal_name(data), series_dims(data)) == (axis, signal, ("scan",))
