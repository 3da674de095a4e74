"""Files for other programs: read back identically by us, and by larch."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spectra
import xas
from spectra.errors import InvalidInput
from spectra.larch_guard import larch_function
from spectra.reading.registry import read_scans
from xas.reading.absorption import with_mu


class TestXdi:
    def larch_read(self, path):
        return larch_function("larch.io", "read_xdi")(str(path))

    def test_measured_files_come_back_number_by_number(self, data_dir, tmp_path):
        for name in ("Cu_foil_rt_larch", "Mn2O3_rt_01_xaslib", "Fe-Hematite_bmm", "S_Na2SO3_xaslib"):
            first = xas.read(data_dir / "xas" / f"{name}.xdi")
            file = xas.write_xdi(tmp_path / f"{name}.xdi", first)
            again = xas.read(file)
            np.testing.assert_array_equal(again.energy, first.energy)
            for variable in set(first.data_vars) & {"mu", "i0", "itrans", "ifluor", "irefer", "mu_ref"}:
                np.testing.assert_array_equal(again[variable], first[variable], err_msg=f"{name} {variable}")
            for key in ("element", "edge", "sample", "start_time", "facility", "beamline", "comments"):
                assert again.attrs.get(key) == first.attrs.get(key), (name, key)
            notes = again.spectra.history[0].get("notes", [])
            assert not [n for n in notes if "missing" in n or "no field" in n or "application" in n], notes
            group = self.larch_read(file)
            np.testing.assert_array_equal(group.energy, first.energy)
            np.testing.assert_array_equal(group.mu, first.mu)
            symbol = group.element.decode() if isinstance(group.element, bytes) else group.element
            assert symbol == first.attrs["element"]

    @given(st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=3, max_size=20))
    @settings(max_examples=25)
    def test_any_numbers_come_back(self, values):
        import tempfile
        from pathlib import Path

        with tempfile.TemporaryDirectory() as folder:
            energy = 6500 + np.arange(len(values)) / 3
            attrs = {"element": "Mn", "edge": "K", "sample": "LiMn2O4 (a #1)"}
            scan = spectra.from_arrays(energy, values, name="mu", attrs=attrs)
            again = xas.read(xas.write_xdi(Path(folder) / "a.xdi", scan))
            np.testing.assert_array_equal(again.mu, values)
            np.testing.assert_array_equal(again.energy, energy)
            assert again.attrs["sample"] == attrs["sample"]

    def test_one_of_a_series_with_its_own_time_and_missing_points(self, simulated, tmp_path):
        scans = simulated(n=3, noise=1e-3).copy(deep=True)
        scans["mu"][1, 5] = np.nan
        scans = scans.assign_coords(start_time=("scan", [f"2022-07-26T23:0{i}:00" for i in range(3)]))
        again = xas.read(xas.write_xdi(tmp_path / "a.xdi", scans, scan=1))
        np.testing.assert_array_equal(again.mu, scans.mu[1])
        assert again.attrs["start_time"] == "2022-07-26T23:01:00"

    def test_normalised_data_stay_so(self, charge, tmp_path):
        one = charge.isel(time=0).assign_attrs(element="Ni", edge="K")
        again = xas.read(xas.write_xdi(tmp_path / "a.xdi", one))
        assert again.attrs["normalized"] == "yes"
        np.testing.assert_array_equal(again.mu, one.mu)

    def test_chosen_columns(self, simulated, tmp_path):
        scan = xas.normalize(simulated(), e0=6548.0)
        file = xas.write_xdi(tmp_path / "a.xdi", scan, columns=("mu", "flat"))
        assert spectra.read(file).flat.values == pytest.approx(scan.flat.values, abs=0)
        assert "# Spectra.history: xas.normalize" in file.read_text()

    @pytest.mark.parametrize(
        ("text", "options"),
        [
            ("write_xdi takes one spectrum; choose it along scan, such as scan=0", {}),
            ("there is no series dimension 'scna'; did you mean 'scan'", {"scna": 0}),
            ("no variable 'nrm' lies along energy", {"scan": 0, "columns": ("nrm",)}),
            ("columns is empty", {"scan": 0, "columns": ()}),
        ],
    )
    def test_refusals(self, simulated, tmp_path, text, options):
        with pytest.raises(InvalidInput, match=text):
            xas.write_xdi(tmp_path / "a.xdi", simulated(n=2), **options)

    def test_no_element_and_no_energy(self, tmp_path):
        bare = spectra.from_arrays([1.0, 2.0], [0.1, 0.2], name="mu")
        with pytest.raises(InvalidInput, match="XDI requires the element, and the dataset does not say it"):
            xas.write_xdi(tmp_path / "a.xdi", bare)
        raman = spectra.from_arrays([1.0, 2.0], [0.1, 0.2], axis="raman_shift")
        with pytest.raises(InvalidInput, match="this dataset lies along raman_shift"):
            xas.write_xdi(tmp_path / "a.xdi", raman)
        assert list(tmp_path.iterdir()) == []


class TestAthena:
    def test_a_project_comes_back_with_its_parameters(self, simulated, tmp_path):
        scan = xas.normalize(simulated(noise=1e-4), e0=6548.0, pre=(-150, -40), post=(60, 600), order=2)
        scan = xas.fourier(xas.autobk(scan, rbkg=1.1, kweight=1), k=(3, 10), dk=2.0)
        file = xas.write_athena(tmp_path / "a.prj", {"Mn oxide": scan, "again": scan})
        for label in ("Mn oxide", "again"):
            again = xas.read(file, select=label)
            np.testing.assert_array_equal(again.mu, scan.mu)
            np.testing.assert_array_equal(again.energy, scan.energy)
            assert (again.attrs["element"], again.attrs["edge"]) == ("Mn", "K")
            options = xas.athena_options(again)
            assert options["normalize"] == {
                "e0": 6548.0,
                "pre": (-150.0, -40.0),
                "post": (60.0, 600.0),
                "order": 2,
            }
            assert options["autobk"]["rbkg"] == 1.1
            assert options["fourier"] == {"k": (3.0, 10.0), "kweight": 2.0, "dk": 2.0, "window": "hanning"}
            said = json.loads(again.attrs["athena"])
            assert said["step"] == float(scan.edge_step)
            assert said["importance"] == 1
            repeated = xas.normalize(again, **options["normalize"])
            np.testing.assert_array_equal(repeated.flat, scan.flat)

    def test_larch_reads_it(self, simulated, tmp_path):
        scan = xas.normalize(simulated(noise=1e-4), e0=6548.0, pre=(-150, -40), post=(60, 600), order=2)
        file = xas.write_athena(tmp_path / "a.prj", {"it's; (a) test": scan})
        project = larch_function("larch.io", "read_athena")(str(file), do_preedge=False)
        (group,) = project.groups.values()
        np.testing.assert_array_equal(group.energy, scan.energy)
        np.testing.assert_array_equal(group.mu, scan.mu)
        pars = group.athena_params.bkg
        assert (float(pars.e0), float(pars.pre1), float(pars.nor2)) == (6548.0, -150.0, 600.0)
        assert group.label.startswith("it")
        assert float(pars.step) == float(scan.edge_step)

    def test_a_series_is_a_project_of_its_spectra(self, simulated, tmp_path):
        scans = simulated(n=3, noise=1e-3, known=True).assign_coords(label=("scan", ["a", "b", "c"]))
        file = xas.write_athena(tmp_path / "a.prj", scans, compress=False)
        again = xas.read_series(file)
        np.testing.assert_array_equal(again.mu, scans.mu)
        titles = [scan.attrs["title"] for scan in read_scans(file)]
        assert titles == ["a", "b", "c"]
        project = larch_function("larch.io", "read_athena")(str(file), do_preedge=False)
        assert len(project.groups) == 3

    def test_projects_of_athena_survive_being_read_and_written(self, data_dir, tmp_path):
        """Every parameter, energy shifts and importance among them, in every project of the collection."""
        for file in sorted((data_dir / "xas" / "prj").glob("*.prj")):
            scans = read_scans(file)
            written = xas.write_athena(tmp_path / file.name, scans)
            again = read_scans(written)
            assert [s.attrs["title"].strip() for s in again] == [s.attrs["title"].strip() for s in scans]
            for one, other in zip(scans, again, strict=True):
                np.testing.assert_allclose(other.energy, one.energy, atol=1e-9)
                np.testing.assert_array_equal(other.mu, one.mu)
                before, after = (json.loads(s.attrs["athena"]) for s in (one, other))
                assert {k: after[k] for k in before if before[k] is not None} == {
                    k: v for k, v in before.items() if v is not None
                }, one.attrs["title"]

    def test_its_parameters_give_athenas_edge_steps(self, data_dir):
        """100 groups of 13 projects: the stored step follows from the stored ranges."""
        ratios = []
        for file in sorted((data_dir / "xas" / "prj").glob("*.prj")):
            for scan in read_scans(file):
                said = json.loads(scan.attrs["athena"])
                if "nnorm" in said and said.get("step"):
                    made = xas.normalize(with_mu(scan), **xas.athena_options(scan)["normalize"])
                    assert float(made.e0) == said["e0"]
                    ratios.append(float(made.edge_step) / said["step"] - 1)
        assert len(ratios) >= 100
        assert np.median(np.abs(ratios)) < 0.0025
        assert np.percentile(np.abs(ratios), 90) < 0.015

    def test_a_fixed_edge_step_is_fixed_both_ways(self, data_dir, tmp_path):
        """A measured project, its step changed by a fifth and fixed: the number in the project is the one that holds."""
        scan = with_mu(read_scans(data_dir / "xas" / "prj" / "Vglasses.prj")[0])
        said = json.loads(scan.attrs["athena"])
        wanted = 1.2 * said["step"]
        fixed = scan.assign_attrs(athena=json.dumps({**said, "step": wanted, "fixstep": True}))
        again = xas.read(xas.write_athena(tmp_path / "fixed.prj", fixed), select=0)
        options = xas.athena_options(again)["normalize"]
        assert options["edge_step"] == wanted
        made = xas.normalize(again, **options)
        assert (float(made.edge_step), float(made.edge_step_sigma)) == (wanted, 0.0)
        free = xas.normalize(again, **{k: v for k, v in options.items() if k != "edge_step"})
        np.testing.assert_allclose(made.norm * wanted, free.norm * free.edge_step, atol=1e-12)
        thrice = xas.read(xas.write_athena(tmp_path / "thrice.prj", made), select=0)
        assert xas.athena_options(thrice)["normalize"]["edge_step"] == wanted
        freed = xas.read(xas.write_athena(tmp_path / "freed.prj", free), select=0)
        assert "edge_step" not in xas.athena_options(freed)["normalize"]
        bare = scan.assign_attrs(athena=json.dumps({**said, "step": None, "fixstep": True}))
        assert "edge_step" not in xas.athena_options(bare)["normalize"]  # fixed at nothing

    def test_a_victoreen_exponent_of_a_project_is_taken(self, simulated, tmp_path):
        """As larch's projects in JSON have it."""
        scan = simulated(noise=1e-4)
        arguments = {"bkg_e0": 6548.0, "bkg_pre1": -150, "bkg_pre2": -40, "bkg_nor1": 60, "bkg_nor2": 600,
                     "bkg_nnorm": 3, "bkg_nvict": 2, "bkg_z": "Mn", "fft_edge": "k", "label": "Mn", "datatype": "xmu"}  # fmt: skip
        group = {"args": arguments, "x": scan.energy.values.tolist(), "y": scan.mu.values.tolist()}
        content = {
            "_____header1": "# Athena project file -- Demeter version 0.9.26",
            "_____order": ["aa"],
            "aa": group,
        }
        file = tmp_path / "larch.prj"
        file.write_text(json.dumps(content))
        options = xas.athena_options(xas.read(file))["normalize"]
        assert options["victoreen"] == 2.0
        made, plain = (
            xas.normalize(scan, **{**options, "victoreen": v}) for v in (options["victoreen"], 0.0)
        )
        assert abs(float(made.edge_step - plain.edge_step)) > 1e-4

    def test_refusals(self, simulated, tmp_path):
        with pytest.raises(InvalidInput, match="there is nothing to write"):
            xas.write_athena(tmp_path / "a.prj", {})
        raman = spectra.from_arrays([1.0, 2.0], [0.1, 0.2], axis="raman_shift")
        with pytest.raises(InvalidInput, match="holds absorption along energy; this lies along raman_shift"):
            xas.write_athena(tmp_path / "a.prj", raman)
        lost = simulated(n=2).copy(deep=True)
        lost["mu"][1] = np.nan
        with pytest.raises(InvalidInput, match="holds no finite spectrum: leave it out"):
            xas.write_athena(tmp_path / "a.prj", lost)
        with pytest.raises(InvalidInput, match="was not read from an Athena project"):
            xas.athena_options(simulated())


class TestLarchGroups:
    def test_everything_that_was_computed_goes_there_and_back(self, simulated):
        scan = xas.normalize(simulated(noise=1e-4), e0=6548.0)
        scan = xas.fourier(xas.autobk(scan), k=(3, 10))
        group = spectra.to_larch_group(scan)
        again = spectra.from_larch_group(group)
        for name in (
            "mu",
            "norm",
            "flat",
            "pre_edge",
            "post_edge",
            "bkg",
            "chi",
            "chir_re",
            "chir_im",
            "chir_mag",
        ):
            np.testing.assert_array_equal(again[name], scan[name], err_msg=name)
        assert float(again.e0) == float(scan.e0)
        assert float(again.edge_step) == float(scan.edge_step)

    def test_what_larch_computed_comes_here_and_goes_on(self, simulated, larch):
        scan = simulated(noise=1e-4)
        group = spectra.to_larch_group(scan)
        larch.pre_edge(group, e0=6548.0)
        larch.autobk(group, rbkg=1.0, kweight=1, nclamp=0)
        larch.xftf(group, kmin=3, kmax=10, dk=1, kweight=2, window="hanning")
        here = spectra.from_larch_group(group)
        for name in ("chi", "chir_mag", "chir_re", "norm", "flat", "bkg"):
            np.testing.assert_array_equal(here[name], getattr(group, name), err_msg=name)
        ours = xas.fourier(here, k=(3, 10))
        np.testing.assert_allclose(ours.chir_mag, group.chir_mag[: ours.sizes["r"]], atol=1e-12)
        # and larch goes on with what was computed here
        back = spectra.to_larch_group(xas.autobk(xas.normalize(scan, e0=6548.0)))
        larch.xftf(back, kmin=3, kmax=10, dk=1, kweight=2, window="hanning")
        assert np.isfinite(back.chir_mag).all()
