"""The registry: content decides, anybody can bring a reader, a broken one stops nobody."""

import importlib.metadata
import logging
import tomllib

import numpy as np
import pytest

import raman
import spectra
from spectra.errors import InvalidInput, ReadError, RecipeError, UnknownOption
from spectra.pipeline.from_history import recipe_text
from spectra.pipeline.recipe import load_recipe, parse_recipe
from spectra.reading import registry
from spectra.reading.registry import Reader, find_reader, readers
from spectra.reading.source import Source


def sniff_ours(source):
    return 1.0 if source.head.startswith(b"OURS") else 0.0


def scans_ours(source, *, factor: float = 1.0):
    values = np.array(source.text.split()[1:], float) * factor
    return [spectra.from_arrays(100.0 + np.arange(values.size), values, axis="raman_shift")]


OURS = Reader("ours", "our spectrometer", (".our",), sniff_ours, scans_ours)


class _Entry:
    def __init__(self, name, load):
        self.name, self.value, self.load, self.dist = name, f"package:{name}", load, None


@pytest.fixture
def announced(monkeypatch):
    """Entry points beside the installed ones, as another package would bring them."""
    real = importlib.metadata.entry_points

    def install(*entries):
        def entry_points(**where):
            found = list(real(**where))
            return [*found, *entries] if where.get("group") == "spectra.readers" else found

        monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
        readers.cache_clear()

    yield install
    readers.cache_clear()


def test_a_third_party_brings_a_reader(announced, tmp_path):
    announced(_Entry("ours", lambda: OURS))
    file = tmp_path / "wrong-name.xdi"
    file.write_text("OURS 1 2 4")
    scan = spectra.read(file)
    assert scan.attrs["reader"] == "ours"
    assert scan.intensity.values.tolist() == [1, 2, 4]
    assert "ours" in readers()


@pytest.fixture
def ours(announced, tmp_path):
    """A file of somebody else's spectrometer, whose reader is installed."""
    announced(_Entry("ours", lambda: OURS))
    file = tmp_path / "a.our"
    file.write_text("OURS 1 2 4")
    return file


def test_options_of_a_reader_are_taken_by_every_verb_that_reads(ours):
    for read in (spectra.read, raman.read):
        scan = read(ours, factor=2.0)
        assert scan.intensity.values.tolist() == [2, 4, 8]
        assert scan.spectra.history[0]["options"]["factor"] == 2.0
        assert "factor" not in read(ours).spectra.history[0]["options"]
    for read in (spectra.read_series, raman.read_series):
        assert read([ours, ours], factor=3.0).intensity[1].values.tolist() == [3, 6, 12]


def test_options_of_a_reader_are_in_recipes(ours, tmp_path):
    text = recipe_text(spectra.read(ours, factor=2.0).spectra.history)
    assert "factor = 2.0" in text
    again = spectra.run(load_recipe(tomllib.loads(text)), [ours])
    assert again.intensity.values.tolist() == [2, 4, 8]
    for wrong, sentence in (
        (
            text.replace("factor", "facter"),
            "line 5: spectra.read has no option 'facter'; did you mean 'factor'",
        ),
        (text.replace("2.0", '"much"'), "line 5: spectra.read: factor must be a valid number, got 'much'"),
    ):
        with pytest.raises(RecipeError, match=sentence):
            parse_recipe(wrong)


def test_an_option_that_no_reader_or_another_one_has(ours, tmp_path):
    with pytest.raises(UnknownOption, match="read has no option 'facter'; did you mean 'factor'"):
        spectra.read(ours, facter=2.0)
    with pytest.raises(InvalidInput, match="factor must be a valid number, got 'much'"):
        spectra.read(ours, factor="much")
    with pytest.raises(UnknownOption, match="the ours reader has no option 'laser'; allowed: factor"):
        spectra.read(ours, laser=532.0)
    with pytest.raises(UnknownOption, match="spectra.read has no option 'laser'"):
        spectra.read(ours, laser=532.0, reader="ours")
    text = tmp_path / "a.txt"
    text.write_text("energy mu\n6550 1\n6551 2\n")
    with pytest.raises(UnknownOption, match="the text reader has no option 'factor'"):
        spectra.read(text, factor=2.0)


def test_an_option_that_a_reader_needs(announced, tmp_path):
    def scans(source, *, grating: int):
        return scans_ours(source, factor=grating)

    announced(_Entry("ours", lambda: Reader("ours", "our spectrometer", (), sniff_ours, scans)))
    file = tmp_path / "a.our"
    file.write_text("OURS 1 2 4")
    with pytest.raises(InvalidInput, match="the ours reader needs 'grating', which was not given"):
        spectra.read(file)
    assert spectra.read(file, grating=2).intensity.values.tolist() == [2, 4, 8]


def test_a_broken_reader_is_logged_and_left_out(announced, tmp_path, caplog):
    def load():
        raise ImportError("no module named vendor")

    announced(_Entry("vendor", load))
    with caplog.at_level(logging.WARNING, "spectra.reading.registry"):
        found = readers()
    assert "vendor" not in found
    assert "text" in found
    assert "reader vendor (package:vendor) cannot be loaded: no module named vendor" in caplog.text


def test_content_decides_and_not_the_name(data_dir, tmp_path):
    for path, name in (
        ("xas/Mn-Manganosite_bmm.xdi", "xdi"),
        ("xas/prj/cu.prj", "athena"),
        ("xas/prj/json_unzipped.prj", "athena"),
        ("xas/formats/PF9A_2022.dat", "angle"),
        ("xas/formats/kev.dat", "text"),
        ("xps/khervefitting/Pt4f.vms", "vamas"),
        ("xps/lg4x/0-150W.vms", "vamas"),
    ):
        disguised = tmp_path / "data.txt"
        disguised.write_bytes((data_dir / path).read_bytes())
        assert find_reader(Source(disguised)).name == name


def test_the_user_decides_over_the_content(data_dir):
    file = data_dir / "xas" / "Cu_foil_rt_larch.xdi"
    scan = spectra.read(file, reader="text")
    assert scan.attrs["reader"] == "text"
    np.testing.assert_array_equal(scan.energy, spectra.read(file).energy)


def test_options_that_a_reader_does_not_have(data_dir):
    with pytest.raises(Exception, match="the vamas reader has no option 'columns'; allowed: none"):
        spectra.read(data_dir / "xps" / "khervefitting" / "Pt4f.vms", columns={"counts": 2})


def test_a_reader_that_finds_nothing_is_an_error(announced, tmp_path):
    announced(_Entry("empty", lambda: Reader("empty", "finds nothing", (), sniff_ours, lambda source: [])))
    file = tmp_path / "a.our"
    file.write_text("OURS")
    with pytest.raises(ReadError, match="holds no spectrum that the empty reader could find"):
        spectra.read(file)


def test_scans_are_chosen_by_title_region_sample_or_number():
    def scan(title, **attrs):
        return spectra.from_arrays([1.0, 2.0], [1.0, 2.0], attrs={"title": title, **attrs})

    scans = [
        scan("2: Mn 2p", region="Mn 2p", sample="A"),
        scan("Mn2p", region="Mn 2p", sample="B"),
        scan("O 1s", region="O 1s", sample="A"),
    ]
    choose = registry.choose
    assert choose(scans, "mn 2P", file="f") is scans[0]  # the title itself, prefix apart
    assert choose(scans, "Mn2p", file="f") is scans[1]
    assert choose(scans, "B Mn 2p", file="f") is scans[1]
    assert choose(scans, "b", file="f") is scans[1]
    assert choose(scans, "o1s", file="f") is scans[2]  # spaces do not matter where none fits as written
    assert choose(scans, -1, file="f") is scans[2]
    with pytest.raises(InvalidInput, match="f holds 2 scans called 'A': choose one with select="):
        choose(scans, "A", file="f")


def test_every_reader_says_what_it_reads():
    for name, reader in readers().items():
        assert reader.name == name
        assert reader.summary
        assert all(ending.startswith(".") for ending in reader.extensions)


def test_a_gzipped_text_is_read(tmp_path):
    import gzip

    file = tmp_path / "scan.txt.gz"
    file.write_bytes(gzip.compress(b"energy mu\n6550 1\n6551 2\n"))
    assert spectra.read(file).mu.values.tolist() == [1, 2]
