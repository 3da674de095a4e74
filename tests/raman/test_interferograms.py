"""Interferograms against the spectra that instruments made of them, against truth, coverage of sigmas, bad input."""

import numpy as np
import pytest

import raman
import spectra
from raman.infrared.interferograms import apodization_window, spectrum_of_interferogram
from raman.tables import load_table
from spectra.dataset import flag_names
from spectra.errors import InvalidInput

WINDOWS = [w["name"] for w in load_table("apodization")["window"]]


def worst(made, spectrum):
    """Largest difference between a transform and a spectrum, after the best common scale, relative to the highest."""
    x, wanted = spectrum.wavenumber.values, spectrum.single_channel.values
    at = np.rint(x / made.wavenumber.values[1]).astype(int)
    np.testing.assert_allclose(made.wavenumber.values[at], x, atol=2e-4)
    found = made.single_channel.values[..., at]
    found = found if found.ndim == 1 else found.mean(0)
    scale = (found @ wanted) / (found @ found)
    return np.abs(scale * found - wanted).max() / wanted.max()


@pytest.fixture(scope="module")
def pair(data_dir):
    folder = data_dir / "ftir" / "omnic"
    return raman.read(folder / "interfero.SPA"), raman.read(folder / "spectre.SPA")


def test_the_measured_pair(pair):
    """OMNIC's own words: Happ-Genzel, one level of zero filling, Mertz; only that window gives its spectrum."""
    found = {
        name: worst(raman.transform_interferogram(pair[0], apodization=name), pair[1]) for name in WINDOWS
    }
    assert "Happ-Genzel" in pair[1].attrs["header"]
    assert found["happ_genzel"] < 7e-4
    assert min(v for name, v in found.items() if name != "happ_genzel") > 3e-3


def test_blocks_of_an_opus_file(data_dir):
    """Blackman-Harris, zero filling 2, phase at 100 1/cm, as the file says; forth and back averaged."""
    file = data_dir / "ftir" / "opus" / "brukeropus_file.0"
    reference = raman.read(file, select="reference interferogram")
    assert (reference.attrs["apodization"], reference.attrs["zero_filling"]) == ("B3", "2")
    options = {"zero_filling": 2, "phase_resolution": 100.0}
    spectrum = raman.read(file, select="reference single channel")
    found = {
        name: worst(raman.transform_interferogram(reference, apodization=name, **options), spectrum)
        for name in WINDOWS
    }
    assert found["blackman_harris_3"] < 4e-4
    assert min(v for name, v in found.items() if name != "blackman_harris_3") > 8e-4
    both = raman.transform_interferogram(
        raman.read(file, select="sample interferogram"), apodization="blackman_harris_3", **options
    )
    assert both.single_channel.dims == ("direction", "wavenumber")
    # OPUS took water and carbon dioxide off this one; between their lines the two agree
    spectrum = spectra.crop(raman.read(file, select="sample single channel"), window=(2450, 3300))
    assert worst(both, spectrum) < 2e-3


def test_from_interferograms_to_the_absorbance_of_the_file(data_dir):
    """The whole way: two interferograms, two spectra, their ratio, against the absorbance that OPUS stored."""
    file = data_dir / "ftir" / "opus" / "brukeropus_file.0"
    options = {
        "apodization": "blackman_harris_3",
        "zero_filling": 2,
        "phase_resolution": 100.0,
        "window": (2000, 3000),
    }
    sample = raman.transform_interferogram(raman.read(file, select="sample interferogram"), **options)
    sample = sample.assign(single_channel=sample.single_channel.mean("direction", keep_attrs=True)).drop_vars(
        ["phase", "status", "direction"]
    )
    without = raman.transform_interferogram(raman.read(file, select="reference interferogram"), **options)
    made = raman.to_absorbance(sample, reference=without)
    stored = raman.read(file).absorbance.interp(wavenumber=made.wavenumber).values
    difference = made.absorbance.values - stored
    assert np.median(np.abs(difference)) < 2e-3


# ---- truth -----------------------------------------------------------------------------------------------------

STEP = 1 / 15798.0
LINES = ((1200.0, 60.0, 1.0), (2400.0, 120.0, 0.5), (2900.0, 40.0, 0.3))


def interferogram(before, after, *, shift=0.3):
    """Simulated: three broad lines, sampled beside the true zero of the path."""
    path = (np.arange(-before, after) + shift) * STEP
    y = sum(
        h * np.cos(2 * np.pi * p * path) * np.exp(-2 * (np.pi * w * path) ** 2) * w * np.sqrt(2 * np.pi)
        for p, w, h in LINES
    )
    return (np.arange(-before, after)) * STEP, y


def truth(nu):
    return sum(0.5 * h * np.exp(-(((nu - p) / w) ** 2) / 2) for p, w, h in LINES)


def dataset(path, y, sigma=None, dims=()):
    return spectra.from_arrays(
        path, y, axis="path_difference", name="interferogram", units="V", sigma=sigma, dims=dims
    )


@pytest.mark.parametrize(("before", "after"), [(1000, 1001), (120, 2000), (2000, 120)])
def test_lines_come_out_as_they_were_put_in(before, after):
    path, y = interferogram(before, after)
    made = raman.transform_interferogram(dataset(path, y), apodization="boxcar")
    nu = made.wavenumber.values
    inside = (nu > 800) & (nu < 3500)
    np.testing.assert_allclose(made.single_channel.values[inside], truth(nu)[inside], atol=2e-3)
    assert made.single_channel.attrs["units"] == "V cm"
    assert made.attrs["signal"] == "single_channel"
    assert made.phase.attrs["units"] == "rad"


def test_the_transform_is_the_sum_it_says(rng):
    """The obvious slow sum, for an interferogram with its phase known to be zero."""
    y = rng.normal(size=41)
    y = y + y[::-1]
    y[20] = 30
    made = spectrum_of_interferogram(y, 0.01, 64, apodization="triangular", phase="none")
    j = np.arange(41) - 20
    nu = np.fft.rfftfreq(64, 0.01)
    slow = [
        0.01 * np.sum((y - y.mean()) * (1 - np.abs(j) / 21) * np.cos(2 * np.pi * v * j * 0.01)) for v in nu
    ]
    np.testing.assert_allclose(made.spectrum, slow, atol=1e-12)


def test_windows_begin_at_one_and_fall():
    u = np.linspace(0, 1, 50)
    for name in WINDOWS:
        w = apodization_window(u, name)
        assert w[0] == pytest.approx(1, abs=2e-5)
        assert (np.diff(w[:45]) <= 1e-12).all()
        assert (w >= -1e-12).all()


def test_series_with_the_burst_at_different_points():
    path, y = interferogram(150, 1500)
    moved = np.stack([y, np.roll(y, 3), -y])
    made = raman.transform_interferogram(dataset(path, moved, dims=("scan",)))
    for i in (1, 2):
        np.testing.assert_allclose(made.single_channel[i], made.single_channel[0], atol=2e-3)


def test_faults_are_flagged_and_touch_no_neighbour():
    path, y = interferogram(150, 1500)
    bad = np.stack([y, np.zeros_like(y), np.roll(y, -147), np.full_like(y, np.nan)])
    made = raman.transform_interferogram(dataset(path, bad, dims=("scan",)))
    assert [flag_names(made, scan=i) for i in range(4)] == [[], ["no_burst"], ["no_burst"], ["not_measured"]]
    alone = raman.transform_interferogram(dataset(path, y))
    np.testing.assert_array_equal(made.single_channel[0], alone.single_channel)
    assert np.isnan(made.single_channel[1:]).all()


@pytest.mark.parametrize(
    ("before", "after", "phase"), [(800, 800, "mertz"), (100, 1500, "mertz"), (800, 800, "magnitude")]
)
def test_sigmas_cover(rng, before, after, phase):
    """Where there is light; in the dark the phase is noise, and the real part is turned towards it."""
    path, y = interferogram(before, after)
    options = {"window": (1000, 3100), "phase": phase}
    clean = raman.transform_interferogram(dataset(path, y), **options)
    sigma = 0.02 * (1 + 4 * (np.abs(path) < 0.01) + (path > 0))
    noisy = y + rng.normal(size=(300, y.size)) * sigma
    made = raman.transform_interferogram(
        dataset(path, noisy, sigma=np.broadcast_to(sigma, noisy.shape), dims=("scan",)), **options
    )
    bright = clean.single_channel.values > 0.1 * clean.single_channel.values.max()
    off = (made.single_channel - clean.single_channel).values[:, bright]
    share = (np.abs(off) < made.single_channel_sigma.values[:, bright]).mean()
    assert 0.66 < share < 0.70
    assert made.single_channel_sigma.attrs["units"] == "V cm"


# ---- bad input -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"apodization": "hap_genzel"}, "did you mean 'happ_genzel'"),
        ({"zero_filling": 3}, "zero_filling must be 2, 4, 8 or 16, got 3"),
        ({"phase_resolution": 0.0}, "phase_resolution must be above 0 1/cm, got 0"),
        ({"window": (20000, 30000)}, "window .* holds 0 points; wavenumbers run from 0 to 7899"),
    ],
)
def test_bad_options(options, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        raman.transform_interferogram(dataset(*interferogram(100, 500)), **options)


def test_what_is_no_interferogram_is_refused():
    path, y = interferogram(100, 500)
    with pytest.raises(InvalidInput, match="this dataset has wavenumber"):
        raman.transform_interferogram(spectra.from_arrays([1, 2, 3], [1, 2, 3], axis="wavenumber"))
    with pytest.raises(InvalidInput, match="works on interferograms, and this dataset holds absorbance"):
        raman.transform_interferogram(spectra.from_arrays(path, y, axis="path_difference", name="absorbance"))
    with pytest.raises(InvalidInput, match="even ones are needed"):
        raman.transform_interferogram(dataset(np.sinh(path * 10), y))
    with pytest.raises(InvalidInput, match="its zero, the burst, must lie inside"):
        raman.transform_interferogram(dataset(path + 1, y))


def test_windows_whose_numbers_are_not_checked_say_so():
    made = raman.transform_interferogram(dataset(*interferogram(100, 500)), apodization="norton_beer_medium")
    assert any("still to be checked" in note for note in made.spectra.history[-1]["notes"])
