"""Small files that stand for much: refused before the memory is asked for, in a process that could not bear it."""

import io
import zipfile
import zlib

import h5py
import numpy as np
import pytest

from tests.fuzz.worker import Worker

LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "aaaaaaaaaa">'
    + "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12))
    + "]>"
)
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a11 SYSTEM "file:///etc/passwd">]>'


@pytest.fixture(scope="module")
def reading():
    with Worker() as one:
        yield one


@pytest.mark.parametrize("head", [LAUGHS, OUTSIDE], ids=["laughs", "outside"])
@pytest.mark.parametrize("reader", ["labspec-xml", "trivista", "specs-xml"])
def test_entities_of_xml(reading, tmp_path, head, reader):
    root = {"labspec-xml": "LSX_Data", "trivista": "XmlMain", "specs-xml": "any"}[reader]
    file = tmp_path / "bomb.xml"
    file.write_text(f"{head}<{root}><a>&a11;</a></{root}>")
    assert reading.faults(file, [("spectra.read", None), ("reader", reader)]) == []


@pytest.mark.long
def test_a_gzip_of_hundreds_of_megabytes(reading, tmp_path):
    file = tmp_path / "bomb.gz"
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(2**24)
    with file.open("wb") as out:
        for _ in range(20):
            out.write(packer.compress(zeros))
        out.write(packer.flush())
    assert reading.faults(file, [("spectra.read", None), ("read_cycler", None)]) == []


@pytest.mark.long
def test_a_workbook_of_gigabytes(reading, tmp_path):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("[Content_Types].xml", "<Types/>")
        book.writestr("xl/workbook.xml", "<workbook/>")
        with book.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            for _ in range(40):
                sheet.write(bytes(2**24))
    file = tmp_path / "bomb.xlsx"
    file.write_bytes(made.getvalue())
    assert reading.faults(file, [("spectra.read", None), ("xps.read", None)]) == []


@pytest.mark.parametrize("written", [0, 1])
def test_a_field_that_is_not_there(reading, tmp_path, written):
    file = tmp_path / "bomb.h5"
    with h5py.File(file, "w") as made:
        data = made.create_group("entry/data")
        data.attrs.update({"NX_class": "NXdata", "signal": "counts", "axes": ["y", "energy"]})
        counts = data.create_dataset("counts", (2**20, 2**12), "f8", chunks=(1, 2**12), compression="gzip")
        counts[:written] = 1.0
        data["energy"] = np.arange(2.0**12)
        data["energy"].attrs["units"] = "eV"
    assert reading.faults(file, [("spectra.read", None), ("inspect", None)]) == []


def test_deep_groups_and_many_ways_back(reading, tmp_path):
    file = tmp_path / "deep.h5"
    with h5py.File(file, "w") as made:
        here = made["/"]
        for level in range(3000):
            here["up"] = made["/"]
            here["self"] = h5py.SoftLink("/")
            here = here.create_group(f"g{level}")
    assert reading.faults(file, [("spectra.read", None), ("reader", "stxm"), ("reader", "hyperspy")]) == []


def test_json_without_end(reading, tmp_path):
    for name, text in (("a.json", "[" * 10**6), ("b.json", '{"a":' * 10**5), ("c.prj", "[" * 10**6)):
        file = tmp_path / name
        file.write_text(text)
        ways = [("spectra.read", None), ("reader", "khervefitting"), ("reader", "athena")]
        assert reading.faults(file, ways) == []
