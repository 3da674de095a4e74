"""The registry: content decides, anybody can bring a reader, a broken one stops nobody."""

import importlib.metadata
import logging

import numpy as np
import pytest

import spectra
from spectra.errors import InvalidInput, ReadError
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
