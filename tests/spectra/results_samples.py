"""Small analyses of each technique, simulated, as results files hold them."""

from __future__ import annotations

import numpy as np
import xarray as xr

import spectra

DATES = np.datetime64("2024-06-11T08:00:00", "ns") + np.arange(10) * np.timedelta64(90, "s")


def xas_measured(scans: int | None = 4) -> xr.Dataset:
    """Absorption of a series, or of one spectrum where ``scans`` is None; the last of a series has no edge."""
    energy = np.concatenate(
        [np.arange(6340, 6520, 5), np.arange(6520, 6580, 0.5), np.arange(6580, 7300, 3.0)]
    )
    shift = np.linspace(0, 1.5, scans or 1)[:, None]
    k = np.sqrt(np.clip(energy - 6548, 0, None) / 3.81)
    fine = 0.3 * np.exp(-0.02 * k**2) * np.sin(3.4 * k) / (1 + k) * (k > 0)
    edge = 0.5 + np.arctan((energy - 6548 - shift) / 1.2) / np.pi
    mu = 0.2 - 2e-5 * (energy - 6548) + edge * (1 + fine)
    mu = mu + np.random.default_rng(1).normal(0, 1e-4, mu.shape)
    if scans:
        mu[-1] = 0.2 - 2e-5 * (energy - 6548)
    i0 = np.full_like(mu, 1e5)
    coords = {
        "time": ("time", DATES[: scans or 1]),
        "voltage": ("time", np.linspace(3.6, 4.3, scans or 1), {"units": "V"}),
        "label": ("time", [f"scan #{i}" for i in range(scans or 1)]),
    }
    attrs = {"technique": "xas", "title": "charge", "sample": "LiMn2O4", "element": "Mn", "edge": "K"}
    dataset = spectra.from_arrays(
        energy,
        {"mu": mu, "i0": i0, "itrans": i0 * np.exp(-mu)},
        dims=("time",),
        coords=coords,
        attrs=attrs | {"channel": "transmission", "start_time": "2024-06-11T10:00:00+02:00"},
    )
    return dataset if scans else dataset.isel(time=0, drop=True)


def xas_analysed(scans: int | None = 4) -> xr.Dataset:
    """Normalised, edge positions, background, Fourier transform."""
    import xas

    data = xas.normalize(xas_measured(scans), e0=6548.0)
    return xas.edge_position(xas.fourier(xas.autobk(data), k=(3, 11)))


def xps_measured(depths: int | None = 3) -> xr.Dataset:
    """Counts of a doublet on a slope, with all that NXxps asks for."""
    energy = np.arange(635.0, 665.0, 0.1)
    lines = sum(
        area * (0.6 * np.exp(-4 * np.log(2) * u**2) + 0.4 / (1 + 4 * u**2))
        for area, u in ((6000, (energy - 642.0) / 2.8), (3000, (energy - 653.7) / 3.2))
    )
    slope = 2000 + 20 * (energy - energy[0])
    counts = np.random.default_rng(2).poisson(np.linspace(1, 0.7, depths or 1)[:, None] * (lines + slope))
    attrs = {
        "technique": "xps",
        "title": "Mn 2p",
        "region": "Mn 2p",
        "sample": "MnOx #2",
        "start_time": "2024-06-11T10:00:00+02:00",
        "photon_energy": 1486.6,
        "work_function": 4.5,
        "pass_energy": 20.0,
        "analyser_mode": "fixed_analyzer_transmission",
        "collection_scheme": "angular dispersive",
        "dispersion_scheme": "hemispherical",
    }
    depth = {"depth": ("depth", np.arange(float(depths or 1)), {"units": "nm"})}
    dataset = spectra.from_arrays(
        energy,
        counts,
        axis="binding_energy",
        name="counts",
        units="counts",
        dims=("depth",),
        coords=depth,
        attrs=attrs,
    )
    return dataset if depths else dataset.isel(depth=0, drop=True)


def xps_analysed(depths: int | None = 3) -> xr.Dataset:
    """Background subtracted, two lines fitted; the model is one of lmfit's kind, which JSON cannot hold."""
    import xps
    from spectra.fitting import shape_model

    model = shape_model("sgl", prefix="main_") + shape_model("gaussian", prefix="partner_")
    params = model.make_params(
        main_position={"value": 642.0, "min": 640, "max": 644},
        main_area=8000.0,
        main_fwhm=3.0,
        partner_position={"expr": "main_position + 11.7"},
        partner_area=4000.0,
        partner_fwhm=3.0,
    )
    data = xps.subtract_background(xps_measured(depths), method="linear")
    return spectra.fit(data, model=model, params=params, variable="net", weights="none")


def xps_deconvolved() -> xr.Dataset:
    """Oxidation states out of linked doublets."""
    import xps

    return xps.deconvolve(xps_measured(), states=("Mn3+", "Mn4+"), background="linear")


def xps_together() -> xr.Dataset:
    """All depths fitted at once, with positions and widths in common."""
    import xps

    return xps.deconvolve(
        xps_measured(),
        states=("Mn3+", "Mn4+"),
        background="linear",
        shared=("position", "fwhm"),
        along="depth",
    )


def raman_measured(pixels: int | None = 2) -> xr.Dataset:
    """A map of a cathode, or one spectrum, with all that NXraman asks for."""
    shift = np.arange(420.0, 680.0, 2.0)
    bands = 300 / (1 + ((shift - 485) / 6) ** 2) + 900 / (1 + ((shift - 592) / 7) ** 2) + 50
    values = np.random.default_rng(3).poisson(np.broadcast_to(bands, (2, pixels or 1, shift.size)))
    dataset = xr.Dataset(
        {"counts": (("y", "x", "raman_shift"), values.astype(float), {"units": "counts"})},
        coords={
            "raman_shift": ("raman_shift", shift, {"units": "1/cm"}),
            "y": ("y", [0.0, 1.0], {"units": "um"}),
            "x": ("x", np.arange(float(pixels or 1)), {"units": "um"}),
        },
        attrs={
            "signal": "counts",
            "technique": "raman",
            "title": "cathode",
            "sample": "LiCoO2",
            "start_time": "2024-06-11T10:00:00+02:00",
            "laser_wavelength": 532.0,
            "scattering_configuration": "z(..)z",
            "detector": "CCD",
        },
    )
    single = {"raman_experiment_type": "non-resonant Raman spectroscopy"}
    return dataset if pixels else dataset.isel(y=0, x=0, drop=True).assign_attrs(single)


def raman_analysed(pixels: int | None = 2) -> xr.Dataset:
    """Calibrated, baseline off, bands fitted, phases ranked."""
    import raman

    shift = np.arange(450.0, 600.0)
    wafer = np.random.default_rng(4).poisson(50 + 1000 / (1 + ((shift - 521.0) / 2.5) ** 2))
    silicon = spectra.from_arrays(shift, wafer, axis="raman_shift", attrs={"technique": "raman"})
    data = raman.calibrate(raman_measured(pixels), references={"silicon": silicon})
    data = spectra.subtract_baseline(data, method="arpls", options={"lam": 1e5})
    return raman.rank_phases(raman.fit_bands(data, "licoo2"))


def raman_ordering() -> xr.Dataset:
    """A verdict with its evidence."""
    import raman

    return raman.diagnose_ordering(raman_measured(None), shift_sigma=0.5)


SAMPLES = {
    "raman_map": raman_analysed,
    "raman_single": lambda: raman_analysed(None),
    "raman_ordering": raman_ordering,
    "xas_series": xas_analysed,
    "xas_single": lambda: xas_analysed(None),
    "xps_series": xps_analysed,
    "xps_single": lambda: xps_analysed(None),
    "xps_deconvolved": xps_deconvolved,
    "xps_together": xps_together,
    "xas_raw_series": xas_measured,
    "xps_raw_single": lambda: xps_measured(None),
}
