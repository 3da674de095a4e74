"""FEFF's paths: read, drawn by the EXAFS equation, and the models of disorder; larch is the peer."""

import ctypes
import math
import subprocess
from pathlib import Path

import numpy as np
import pytest

import xas
from spectra.errors import InvalidInput, ReadError, SpectraError
from spectra.larch_guard import larch_function
from xas.paths.curve import path_chi, path_table
from xas.paths.expressions import path_expression
from xas.paths.feff import FeffPath, feff_paths
from xas.paths.kernels import SLOTS, compiled_path

FILES = [
    *(f"feff_Cu_larch/feff00{n}.dat" for n in ("01", "02", "03", "06", "11")),
    *(f"feff_Cu_demeter/feff000{n}.dat" for n in range(1, 6)),
    *(f"feff_FeO/feff_feo0{n}.dat" for n in range(1, 5)),
]
K = 0.05 * np.arange(341)
#: Parameters of a path as a fit may find them, and some that only a wrong start gives.
SETS = [
    {"s02": 0.9, "e0": 4.0, "deltar": -0.01, "sigma2": 0.008},
    {"s02": 0.7, "e0": -6.5, "deltar": 0.05, "sigma2": 0.004, "third": 2e-4, "fourth": 1e-5, "ei": 0.7},
    {"s02": 1.3, "e0": 0.0, "deltar": 0.2, "sigma2": -0.002, "third": -1e-4, "ei": -0.3},
]

CU_CIF = """data_Cu
_symmetry_space_group_name_H-M 'F m -3 m'
_cell_length_a 3.61
_cell_length_b 3.61
_cell_length_c 3.61
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_Int_Tables_number 225
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Cu1 Cu 0 0 0 1
"""


def peer_path(file, **values):
    return larch_function("larch.xafs", "feffpath")(str(file), **values)


def drawn(path, k, values):
    """Curve and derivatives of the compiled equation."""
    k, p, table = np.array(k), np.array(values, float), path_table(path, 0, len(k))
    f, g, work = np.empty(k.size), np.empty((7, k.size)), np.empty(1)
    sizes = np.array([0, k.size, 7])
    integers = sizes.ctypes.data_as(ctypes.POINTER(ctypes.c_int64))
    floats = [a.ctypes.data_as(ctypes.POINTER(ctypes.c_double)) for a in (k, p, f, g, work, table)]
    compiled_path().ctypes(integers, integers, *floats)
    return f, g


@pytest.mark.parametrize("name", FILES)
def test_a_path_is_read_as_larch_reads_it(data_dir, name):
    path = feff_paths(data_dir / "xas" / name)[0]
    peer = peer_path(data_dir / "xas" / name)._feffdat
    np.testing.assert_array_equal(path.k, peer.k)
    np.testing.assert_array_equal(path.amplitude, peer.amp)
    np.testing.assert_array_equal(path.phase, peer.pha)
    np.testing.assert_array_equal(path.mean_free_path, peer.lam)
    np.testing.assert_array_equal(path.real_p, peer.rep)
    assert (path.reff, path.degeneracy, path.legs, path.edge) == (
        peer.reff,
        peer.degen,
        peer.nleg,
        peer.shell,
    )
    assert [a.number for a in path.atoms] == [atom[1] for atom in peer.geom]
    assert path.reduced_mass == pytest.approx(peer.rmass)
    assert path.norman_radius == pytest.approx(peer.rnorman * 0.529177, rel=1e-6)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("values", SETS)
def test_chi_of_a_path_is_larchs(data_dir, frozen, name, values):
    path = feff_paths(data_dir / "xas" / name)[0]
    peer = peer_path(data_dir / "xas" / name, **values)
    larch_function("larch.xafs", "path2chi")(peer, k=K.copy())
    scale = np.abs(peer.chi[20:]).max()
    np.testing.assert_allclose(path_chi(path, frozen(K), **values), peer.chi, rtol=0, atol=1e-10 * scale)
    slots = [values["s02"] * path.degeneracy] + [values.get(s, 0.0) for s in SLOTS[1:]]
    np.testing.assert_allclose(drawn(path, K, slots)[0], peer.chi, rtol=0, atol=1e-10 * scale)


@pytest.mark.parametrize("values", SETS)
def test_derivatives_are_those_of_the_curve(data_dir, values):
    path = feff_paths(data_dir / "xas" / "feff_Cu_larch" / "feff0003.dat")[0]
    slots = np.array([values["s02"] * path.degeneracy] + [values.get(s, 0.0) for s in SLOTS[1:]])
    _, slopes = drawn(path, K, slots)
    for i, h in enumerate((1e-5, 1e-4, 1e-6, 1e-7, 1e-8, 1e-9, 1e-4)):
        step = h * (np.arange(7) == i)
        numeric = (drawn(path, K, slots + step)[0] - drawn(path, K, slots - step)[0]) / (2 * h)
        away = np.abs(K * K - values["e0"] * 0.2625) > 0.5  # at q = 0 the curve has a pole
        np.testing.assert_allclose(
            slopes[i][away],
            numeric[away],
            rtol=0,
            atol=1e-6 * np.abs(slopes[i][away]).max(),
            err_msg=SLOTS[i],
        )


def test_many_parameters_at_once_are_a_loop(data_dir):
    path = feff_paths(data_dir / "xas" / FILES[0])[0]
    sigma2, e0 = np.array([[0.003], [0.006]]), np.array([-2.0, 0.0, 5.0])
    whole = path_chi(path, K, sigma2=sigma2, e0=e0, degen=4.0)
    assert whole.shape == (2, 3, K.size)
    one = path_chi(path, K, sigma2=0.006, e0=5.0, s02=4.0, degen=1.0)
    np.testing.assert_allclose(whole[1, 2], one, rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("temperature", [10.0, 295.0, 900.0])
def test_models_of_disorder_are_larchs(data_dir, name, temperature):
    path, peer = feff_paths(data_dir / "xas" / name)[0], peer_path(data_dir / "xas" / name)
    for model, within in (("sigma2_eins", 1e-9), ("sigma2_debye", 1e-6)):  # FEFF's constants are older
        text = path_expression(f"{model}(T, theta)", path, 12.0, {"T": temperature, "theta": 315.0})
        ours = eval(text, {"tanh": math.tanh})
        theirs = larch_function("larch.xafs.sigma2_models", model)(temperature, 315.0, peer)
        assert ours == pytest.approx(theirs, rel=within)


def test_expressions_know_the_path(data_dir):
    path = feff_paths(data_dir / "xas" / "feff_Cu_larch" / "feff0003.dat")[0]
    text = path_expression("alpha*reff + degen/nleg - rmass", path, 48.0, {"alpha": "alpha_1"})
    assert eval(text, {"alpha_1": 2.0}) == pytest.approx(2 * 3.8218 + 48 / 3 - path.reduced_mass)
    assert path_expression("sigma2_eins(T, theta, feffpath)", path, 48.0, {}).count("tanh") == 1


def test_a_path_survives_its_description(data_dir):
    path = feff_paths(data_dir / "xas" / FILES[3])[0]
    again = FeffPath.from_spec(path.to_spec())
    assert again.to_spec() == path.to_spec()
    assert again.atoms == path.atoms
    np.testing.assert_array_equal(path_chi(again, K, sigma2=0.003), path_chi(path, K, sigma2=0.003))
    with pytest.raises(InvalidInput, match="needs 'reff', which is not there"):
        FeffPath.from_spec({n: v for n, v in path.to_spec().items() if n != "reff"})


def test_a_folder_is_read_by_name(data_dir):
    paths = xas.feff_paths(data_dir / "xas" / "feff_Cu_demeter")
    assert [p.name for p in paths] == [f"feff000{n}" for n in range(1, 6)]
    assert [p.geometry for p in paths] == ["Cu", "Cu", "Cu-Cu", "Cu-Cu", "Cu"]


class TestFilesThatAreNone:
    def test_nothing_there(self, tmp_path):
        with pytest.raises(ReadError, match="no FEFF path file or folder"):
            feff_paths(tmp_path / "feff0001.dat")
        with pytest.raises(ReadError, match="holds no feffNNNN.dat; run FEFF there first"):
            feff_paths(tmp_path)

    def test_another_file(self, data_dir):
        with pytest.raises(ReadError, match="is no feffNNNN.dat of FEFF"):
            feff_paths(data_dir / "xas" / "Cu_foil_rt_larch.xdi")

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("12.000", "12,000"),
            ("  2  12.000   2.5478", "  2  12.000   0.0000"),
            ("   .200  3.5", "  -.200  3.5"),
        ],
    )
    def test_damaged(self, data_dir, tmp_path, old, new):
        text = (data_dir / "xas" / FILES[0]).read_text()
        assert old in text
        (tmp_path / "feff0001.dat").write_text(text.replace(old, new, 1))
        with pytest.raises(ReadError, match="cannot be read as a feffNNNN.dat of FEFF"):
            feff_paths(tmp_path)

    def test_cut_off(self, data_dir, tmp_path):
        text = (data_dir / "xas" / FILES[0]).read_text()
        (tmp_path / "feff0001.dat").write_text(text[: text.index("real[p]@#") + 20])
        with pytest.raises(ReadError, match="feff0001.dat"):
            feff_paths(tmp_path)


class TestPathsFromCrystals:
    @pytest.mark.long
    def test_copper(self, tmp_path, data_dir):
        (tmp_path / "cu.cif").write_text(CU_CIF)
        paths = xas.feff_paths_from_cif(
            tmp_path / "cu.cif", absorber="Cu", radius=4.0, folder=tmp_path / "feff"
        )
        assert [round(p.reff, 3) for p in paths] == [2.553, 3.61, 3.829]
        assert [p.degeneracy for p in paths] == [12, 6, 48]
        assert {p.absorber for p in paths} == {"Cu"}
        known = feff_paths(data_dir / "xas" / "feff_Cu_demeter" / "feff0001.dat")[0]
        far = K[80:240]
        chi, theirs = path_chi(paths[0], far, sigma2=0.008, e0=2.0), path_chi(known, far, sigma2=0.008)
        assert np.corrcoef(chi, theirs)[0, 1] > 0.999  # another version of FEFF, which has its zero elsewhere
        with pytest.raises(InvalidInput, match="of an earlier run; give an empty one"):
            xas.feff_paths_from_cif(tmp_path / "cu.cif", absorber="Cu", folder=tmp_path / "feff")

    @pytest.mark.long
    def test_what_the_structure_does_not_have(self, tmp_path):
        (tmp_path / "cu.cif").write_text(CU_CIF)
        for options, sentence in (
            ({"absorber": "Ni"}, "cu.cif has no 'Ni'"),
            ({"absorber": "Cu", "site": 5}, "has 4 sites of Cu, got site = 5"),
            ({"absorber": "Cu", "edge": "Q"}, "Cu has none of this name"),
        ):
            with pytest.raises(InvalidInput, match=sentence):
                xas.feff_paths_from_cif(tmp_path / "cu.cif", **options)
        (tmp_path / "bad.cif").write_text("no crystal")
        with pytest.raises(ReadError, match="cannot be read as a crystal structure"):
            xas.feff_paths_from_cif(tmp_path / "bad.cif", absorber="Cu")

    def test_no_file_and_no_neighbour(self, tmp_path):
        with pytest.raises(ReadError, match="there is no file"):
            xas.feff_paths_from_cif(tmp_path / "cu.cif", absorber="Cu")
        (tmp_path / "cu.cif").write_text(CU_CIF)
        with pytest.raises(InvalidInput, match="holds no neighbour"):
            xas.feff_paths_from_cif(tmp_path / "cu.cif", absorber="Cu", radius=1.0)

    @pytest.mark.parametrize(
        ("code", "sentence"),
        [("import sys; sys.exit('no memory')", "has failed: no memory"), ("pass", "left no path")],
    )
    def test_a_program_that_fails(self, tmp_path, monkeypatch, code, sentence):
        from xas.paths import feff_run

        def run(command, **options):
            import sys

            return real(["env", sys.executable, "-c", code], **options)

        real = subprocess.run
        monkeypatch.setattr(feff_run, "larch_attribute", lambda *_: Path)
        monkeypatch.setattr(feff_run.subprocess, "run", run)
        with pytest.raises(SpectraError, match=sentence):
            feff_run._run("", tmp_path)

    def test_no_program(self, tmp_path, monkeypatch):
        from xas.paths import feff_run

        monkeypatch.setattr(feff_run, "larch_attribute", lambda *_: lambda _name: None)
        with pytest.raises(SpectraError, match="has no FEFF8L for this machine"):
            feff_run._run("", tmp_path)
