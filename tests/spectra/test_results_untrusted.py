"""A file from anywhere: read in full or refused in one sentence; nothing in it is run and nothing outside opened."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

import spectra
from spectra.results import load, save
from tests.spectra.results_samples import xas_analysed

ENTRY = "limn2o4_mn_k"


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return save(tmp_path_factory.mktemp("good") / "good.nxs", xas_analysed()).read_bytes()


@pytest.fixture
def path(tmp_path, good):
    file = tmp_path / "results.nxs"
    file.write_bytes(good)
    return file


def refused(path, sentence):
    with pytest.raises(spectra.SpectraError, match=sentence) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)


def test_a_missing_file_and_a_folder(tmp_path):
    refused(tmp_path / "none.nxs", "none.nxs does not exist")
    refused(tmp_path, "is a folder")


@pytest.mark.parametrize("content", [b"", b"energy mu\n1 2\n", b"\x89HDF\r\n\x1a\n"])
def test_what_is_not_hdf5(path, content):
    path.write_bytes(content)
    refused(path, "is not a results file|is damaged")


def test_the_nexus_file_of_another_program(path):
    with h5py.File(path, "w") as file:
        file.create_group("entry").attrs["NX_class"] = "NXentry"
    refused(path, "was not written by spectra.save. Measured data in it are read with spectra.read")


def test_a_later_layout(path):
    with h5py.File(path, "r+") as file:
        file.attrs["spectra_schema"] = "7"
    refused(path, r"later version \(layout 7, this version knows 1\): update")


def test_no_entry(path):
    with h5py.File(path, "w") as file:
        file.attrs["spectra_schema"] = "1"
    refused(path, "holds no entry")


@pytest.mark.parametrize("fraction", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_a_truncated_file(path, good, fraction):
    path.write_bytes(good[: int(len(good) * fraction)])
    refused(path, "is damaged|is not a results file")


def test_flipped_bytes_are_refused_or_harmless(path, good, rng):
    """Whatever a byte says: a dataset or one sentence, never a crash or another exception."""
    outcomes = set()
    for position in rng.integers(0, len(good), 100):
        damaged = bytearray(good)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            load(path)
            outcomes.add("loaded")
        except spectra.SpectraError as error:
            outcomes.add("refused" if "\n" not in str(error) else "refused in several lines")
    assert outcomes == {"loaded", "refused"}


def edit(path, change):
    with h5py.File(path, "r+") as file:
        change(file[ENTRY])


def replace(entry, name, value):
    del entry[name]
    entry[name] = value


def test_a_link_to_another_file_is_not_followed(path, tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["data"] = np.arange(276.0)
    edit(
        path, lambda e: replace(e["data"], "energy", h5py.ExternalLink(str(tmp_path / "secret.h5"), "/data"))
    )
    refused(path, "is a link to another file")


def test_data_that_lie_in_another_file_are_not_read(path, tmp_path):
    (tmp_path / "secret.raw").write_bytes(bytes(8 * 276))

    def outside(entry):
        del entry["data/energy"]
        entry["data"].create_dataset(
            "energy", (276,), "f8", external=[(str(tmp_path / "secret.raw"), 0, 8 * 276)]
        )

    edit(path, outside)
    refused(path, "points out of the file")


def test_a_virtual_dataset_is_not_read(path, tmp_path):
    def virtual(entry):
        del entry["data/energy"]
        layout = h5py.VirtualLayout((276,), "f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "data", (276,))
        entry["data"].create_virtual_dataset("energy", layout)

    edit(path, virtual)
    refused(path, "points out of the file")


def test_a_field_that_claims_terabytes_is_refused_before_memory_is_asked_for(path):
    def huge(entry):
        del entry["data/data"]
        entry["data"].create_dataset("data", (10**6, 10**6), "f8", chunks=(100, 1000), compression="gzip")

    edit(path, huge)
    refused(path, "claims 8000000000000 bytes that are not in the file")


def change_note(name, change):
    def apply(entry):
        note = entry[f"provenance/{name}"]
        content = change(json.loads(note["data"][()]))
        replace(note, "data", content if isinstance(content, str) else json.dumps(content))

    return apply


def with_variable(name, **changes):
    def change(layout):
        layout["measured"]["variables"][name] |= changes
        return layout

    return change_note("layout", change)


@pytest.mark.parametrize(
    "damage",
    [
        change_note("layout", lambda _: "not json"),
        change_note("layout", lambda _: "[" * 100_000),
        change_note("layout", lambda _: []),
        change_note("layout", lambda _: {}),
        change_note("recipe", lambda _: {"steps": 5, "measured_after": "x"}),
        change_note("layout", lambda x: x | {"measured": {"attrs": {}, "coords": [], "variables": {}}}),
        with_variable("energy", path="../../../etc/passwd"),
        with_variable("energy", path="data/nowhere"),
        with_variable("energy", path="data"),
        with_variable("energy", path=5),
        with_variable("energy", path=[]),
        with_variable("energy", dims=["time"]),
        with_variable("energy", dims=[[]]),
        with_variable("energy", dtype="O8,__import__('os').system('false')"),
        with_variable("energy", dtype="V8"),
        with_variable("energy", dtype="U999999999999"),
        with_variable("label", dtype="float64"),
        with_variable("time", start="yesterday"),
        lambda e: replace(e["data"], "energy", np.arange(5.0)),
        lambda e: replace(e["data"], "energy", "text"),
        lambda e: e["provenance"].pop("layout"),
        lambda e: e.pop("provenance"),
    ],
)
def test_a_file_that_was_tampered_with_is_refused(path, damage):
    edit(path, damage)
    refused(path, "is damaged|results file cannot hold|spectral axis|a dataset of spectra")


def test_a_file_written_with_a_plugin_says_which_is_missing(path, monkeypatch, tmp_path, rng):
    import sys

    data = spectra.from_arrays(np.arange(500), rng.random((40, 500)), dims=("scan",))
    file = save(tmp_path / "zstd.nxs", data, compression="zstd")
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    refused(file, "zstd.nxs: it is compressed with a filter that HDF5 itself has not: pip install hdf5plugin")
    with pytest.raises(ValueError, match="compression 'zstd' needs the package hdf5plugin"):
        save(tmp_path / "b.nxs", data, compression="zstd")
