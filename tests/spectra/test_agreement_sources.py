"""What is read from a dataset: valence, noise, systematic, depth, and what two of them have in common."""

import json

import numpy as np
import pytest
import xarray as xr

import spectra
from spectra.dataset import flag
from spectra.errors import InvalidInput

LINE = {"element": "Mn", "edge": "K", "measure": "half step", "standards": [{"name": "MnO", "valence": 2}]}


def dataset(valence, sigma, seed=0, *, dims=(), name="valence", attrs=None, **more):
    """A dataset as a verb leaves it: other spectra for another seed."""
    value = np.asarray(valence, float)
    mu = np.random.default_rng(seed).normal(size=(*value.shape, 5))
    data = spectra.from_arrays(
        np.arange(5.0), mu, dims=dims, attrs={"element": "Mn", "technique": "xas", **(attrs or {})}
    )
    extra = {f"{name}_{k}": (dims, np.broadcast_to(v, value.shape)) for k, v in more.items()}
    return data.assign(
        {name: (dims, value), f"{name}_sigma": (dims, np.broadcast_to(sigma, value.shape)), **extra}
    )


def calibrated(data, **line):
    data["valence"].attrs["calibration"] = json.dumps({**LINE, **line})
    return data


def row(found, name):
    return found.table.set_index("source").loc[name]


def compared(**sources):
    return spectra.compare_valence(sources, element="Mn")


class TestUncertainties:
    def test_noise_is_taken_out_of_a_sigma_that_holds_both(self):
        found = row(compared(A=dataset(3.9, 0.5, noise=0.3), B=dataset(3.8, 0.1, 1)), "A")
        assert (found.sigma, round(found.systematic, 12), round(found.total, 12)) == (0.3, 0.4, 0.5)

    def test_a_systematic_stands_beside_sigma(self):
        found = compared(A=dataset(3.9, 0.3, systematic=0.4), B=dataset(3.8, 0.3, 1, reference_sigma=0.4))
        assert np.allclose(found.table.total, 0.5)
        assert "no systematic is stated" not in " ".join(found.table.remarks)

    def test_what_is_not_stated_is_said(self):
        found = row(compared(A=dataset(3.9, 0.3), B=dataset(3.8, 0.3, 1)), "A")
        assert np.isnan(found.systematic)
        assert found.total == 0.3
        assert "no systematic is stated: its total is noise alone" in found.remarks

    def test_given_systematics_replace_those_of_the_dataset(self):
        says = {"A": dataset(3.9, 0.3, systematic=0.1), "B": (3.8, 0.3)}
        found = spectra.compare_valence(says, element="Mn", systematic={"A": 0.4, "B": 0.4})
        assert np.allclose(found.table.total, 0.5)


class TestInCommon:
    def test_the_same_calibration_is_counted_once(self):
        edge = [calibrated(dataset(3.9, 0.5, seed, noise=0.3)) for seed in (0, 1)]
        found = compared(A=edge[0], B=edge[1])
        assert "the same calibration" in found.pairs.shared[0]
        assert found.combined_sigma == pytest.approx(np.hypot(0.3 / np.sqrt(2), 0.4))

    def test_the_same_standards_by_another_measure_too(self):
        other = calibrated(dataset(3.9, 0.5, 1, noise=0.3), measure="white line")
        found = compared(A=calibrated(dataset(3.9, 0.5, noise=0.3)), B=other)
        assert found.pairs.shared[0] == "the same standards (A, B)"
        foreign = calibrated(dataset(3.9, 0.5, 1, noise=0.3), standards=[{"name": "MnO2", "valence": 4}])
        assert compared(A=calibrated(dataset(3.9, 0.5, noise=0.3)), B=foreign).pairs.shared[0] == ""

    def test_two_valences_of_one_spectrum_share_its_noise(self):
        one = dataset(3.9, 0.3, systematic=0.1).assign(valence_mixture=3.8, valence_mixture_sigma=0.2)
        found = compared(XANES=one, B=(3.9, 0.2))
        assert found.table.source.tolist() == ["XANES: valence", "XANES: valence_mixture", "B"]
        assert "the same spectra" in found.pairs.shared[0]
        covariance = found.data.valence_covariance
        assert covariance.values[0, 1] == pytest.approx(0.2**2)
        alone = spectra.compare_valence(
            {"XANES": one, "B": (3.9, 0.2)}, element="Mn", variables={"XANES": "valence"}
        )
        assert alone.table.source.tolist() == ["XANES", "B"]

    def test_the_same_measurement_twice_is_undecided(self):
        found = compared(A=dataset(3.9, 0.3), B=dataset(3.9, 0.3))
        assert found.verdict == "undecided"
        assert "one measurement, given more than once" in found.reason


class TestDepth:
    def test_of_the_dataset_or_of_the_user_or_not_known(self):
        attrs = {"units": "nm", "geometry": "0°", "method": "3 lengths", "status": "to-verify"}
        seen = dataset(3.9, 0.1).assign(information_depth=((), 6.0, attrs), information_depth_sigma=0.7)
        says = {"A": seen, "B": dataset(3.8, 0.1, 1)}
        table = spectra.compare_valence(says, element="Mn").table.set_index("source")
        assert table.loc["A", ["depth_nm", "depth_sigma_nm", "depth_from"]].tolist() == [
            6.0,
            0.7,
            "0°, 3 lengths",
        ]
        assert "its information depth is yet to be verified" in table.remarks["A"]
        assert table.depth_from["B"] == "not known"
        table = spectra.compare_valence(says, element="Mn", depth={"A": (5.0, 1.0)}).table.set_index("source")
        assert table.loc["A", ["depth_nm", "depth_sigma_nm", "depth_from"]].tolist() == [5.0, 1.0, "given"]

    def test_a_line_with_a_step_is_two_sources(self):
        rng = np.random.default_rng(1)
        place = np.arange(0.0, 12.0, 0.5)
        line = dataset(np.where(place < 3, 3.0, 4.0) + 0.1 * rng.normal(size=24), 0.1, dims=("distance",))
        line = line.rename(energy="energy_loss").assign_coords(distance=("distance", place, {"units": "nm"}))
        import xas

        line = xas.eels.surface_profile(line, quantities=("valence",))
        found = compared(EELS=line, XAS=(3.9, 0.1))
        table = found.table.set_index("source")
        assert list(table.index) == ["EELS: surface", "EELS: core", "XAS"]
        assert abs(table.valence["EELS: surface"] - 3) < 0.15
        assert abs(table.depth_nm["EELS: surface"] - 2.75) < 0.3
        assert table.depth_nm["EELS: core"] == 11.5


class TestRepeats:
    def test_scans_are_averaged_and_their_systematic_is_not(self):
        scans = dataset(np.full(4, 3.9), 0.2, dims=("scan",), systematic=0.3)
        found = row(compared(A=scans, B=(3.8, 0.1)), "A")
        assert found.sigma == pytest.approx(0.1)
        assert found.systematic == pytest.approx(0.3)
        assert "mean of 4 spectra along scan" in found.remarks

    def test_scatter_beyond_sigma_makes_sigma_larger(self):
        found = row(compared(A=dataset([3.0, 4.0, 3.0, 4.0], 0.01, dims=("scan",)), B=(3.8, 0.1)), "A")
        assert found.sigma == pytest.approx(np.std([3, 4, 3, 4], ddof=1) / 2)
        assert "the sample is not the same everywhere" in found.remarks

    def test_failed_and_undecided_spectra_take_no_part(self):
        scans = dataset([3.9, 2.0, 1.0], 0.1, dims=("scan",))
        scans = flag(scans, np.array([False, True, False]), "no_edge", "nothing")
        scans = flag(
            scans, np.array([False, False, True]), "undecided", "no sum of references", severity="warning"
        )
        found = row(compared(A=scans, B=(3.8, 0.1)), "A")
        assert found.valence == 3.9
        assert "flagged no_edge, undecided" in found.remarks

    def test_a_series_keeps_its_units_and_takes_lazy_data(self):
        volts = ("voltage", [3.8, 4.2], {"units": "V"})
        says = {
            name: dataset([3.5, 3.9], 0.1, seed, dims=("voltage",)).assign_coords(voltage=volts)
            for seed, name in enumerate("AB")
        }
        found = spectra.compare_valence({"A": says["A"].chunk({"voltage": 1}), "B": says["B"]}, element="Mn")
        assert found.verdict.values.tolist() == ["agree", "agree"]
        assert found.plot().get_xlabel() == "Voltage (V)"


SENTENCES = [
    (lambda: dataset(3.9, 0.1).drop_vars(["valence", "valence_sigma"]), "source 'A' has no valence"),
    (lambda: dataset(3.9, 0.1).drop_vars("valence_sigma"), "'valence' of source 'A' has no valence_sigma"),
    (
        lambda: dataset(3.9, 0.1, attrs={"element": "Ni"}),
        "source 'A' is of Ni, and the valence of Mn was asked",
    ),
    (
        lambda: dataset(3.9, 0.1, attrs={"element": "", "region": "Ni 2p"}),
        "source 'A' is of Ni, and the valence of Mn was asked",
    ),
    (
        lambda: dataset(3.9, 0.1).assign(valence=("energy", np.ones(5))),
        "'valence' of source 'A' lies along energy: a valence is one number per spectrum",
    ),
    (lambda: dataset(3.9, -0.1), "sigma of source 'A' must be above 0"),
]


@pytest.mark.parametrize(("make", "sentence"), SENTENCES)
def test_says_what_is_wrong_with_a_dataset(make, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        compared(A=make(), B=(3.8, 0.1))


def test_other_variables_by_name():
    data = dataset(3.9, 0.1, name="valence_by_integral")
    with pytest.raises(InvalidInput, match="numbers with a sigma in it: valence_by_integral"):
        compared(A=data, B=(3.8, 0.1))
    says = {"A": data, "B": (3.8, 0.1)}
    found = spectra.compare_valence(says, element="Mn", variables={"A": "valence_by_integral"})
    assert found.verdict == "agree"
    with pytest.raises(InvalidInput, match="source 'A' has no variable 'x'"):
        spectra.compare_valence(says, element="Mn", variables={"A": "x"})


def test_samples_that_are_called_differently():
    says = {n: dataset(3.9, 0.1, s, attrs={"sample": n}) for s, n in enumerate(("one", "two"))}
    with pytest.raises(InvalidInput, match="different samples: 'one' is of 'one', 'two' is of 'two'"):
        spectra.compare_valence(says, element="Mn")
    assert spectra.compare_valence(says, element="Mn", sample="LMO-7").data.attrs["sample"] == "LMO-7"


def test_inputs_are_left_as_they_were():
    data = dataset(3.9, 0.1)
    before = data.copy(deep=True)
    compared(A=data, B=(3.8, 0.1))
    xr.testing.assert_identical(data, before)
