"""Files of energy-loss spectrometers written byte by byte after their public layouts."""

import struct

import numpy as np


def emsa(rows, **keywords):
    """Text of an EMSA/MAS file."""
    header = {"FORMAT": "EMSA/MAS Spectral Data File", "VERSION": "1.0", "XUNITS": "eV", "SIGNALTYPE": "ELS"}
    lines = [f"#{key:<12}: {value}" for key, value in (header | keywords).items()]
    return "\n".join([*lines, "#SPECTRUM    : Spectral Data Starts Here", *rows, "#ENDOFDATA   : "]) + "\n"


def _length(version, number):
    return struct.pack(">Q" if version == 4 else ">I", number)


_KINDS = {"i2": 2, "i4": 3, "u2": 4, "u4": 5, "f4": 6, "f8": 7}


def _entry(value, version, order):
    """The body of a tag: what kind it is, and its value."""

    def info(*numbers):
        return b"%%%%" + _length(version, len(numbers)) + b"".join(_length(version, n) for n in numbers)

    if isinstance(value, str):
        return info(20, 4, len(value)) + value.encode("utf-16-le" if order == "<" else "utf-16-be")
    if isinstance(value, tuple):  # a structure of numbers
        fields = [n for v in value for n in (0, 3)]
        return info(15, 0, len(value), *fields) + struct.pack(f"{order}{len(value)}i", *value)
    if isinstance(value, np.ndarray):
        kind = value.dtype.str[1:]
        return info(20, _KINDS[kind], value.size) + value.astype(order + kind).tobytes()
    if isinstance(value, int):
        return info(3) + struct.pack(order + "i", value)
    return info(7) + struct.pack(order + "d", value)


def _group(tags, version, order):
    body = b"\0\1" + _length(version, len(tags))
    for name, value in tags.items():
        inside = _group(value, version, order) if isinstance(value, dict) else _entry(value, version, order)
        label = b"" if name.isdigit() else name.encode("latin-1")
        size = _length(4, len(inside)) if version == 4 else b""
        body += (
            bytes([20 if isinstance(value, dict) else 21])
            + struct.pack(">H", len(label))
            + label
            + size
            + inside
        )
    return body


def digital_micrograph(tags, version=3, order="<"):
    """Bytes of a DigitalMicrograph file with these tags, dictionaries being groups."""
    root = _group(tags, version, order)
    return (
        struct.pack(">I", version)
        + _length(version, len(root))
        + struct.pack(">I", order == "<")
        + root
        + b"\0" * 8
    )


def dm_image(data, calibrations, **tags):
    """One image: ``data`` with the fastest dimension last, calibrations (origin, scale, units) from the fastest on."""
    numbers = {"i2": 1, "f4": 2, "i4": 7, "f8": 12}
    return {
        "ImageData": {
            "Calibrations": {
                "Dimension": {
                    str(i): {"Origin": float(o), "Scale": float(s), "Units": u}
                    for i, (o, s, u) in enumerate(calibrations)
                }
            },
            "Data": data.reshape(-1),
            "DataType": numbers[data.dtype.str[1:]],
            "Dimensions": {str(i): n for i, n in enumerate(data.shape[::-1])},
        },
        "ImageTags": tags.get("ImageTags", {}),
        "Name": tags.get("Name", "spectrum"),
    }


def tia(counts, offset=500.0, step=0.5, sizes=None, version=0x0210, planned=None):
    """Bytes of a TIA series of spectra ``counts`` (number, n)."""
    sizes = sizes or [len(counts)]
    total = planned or len(counts)
    place = "<Q" if version >= 0x0220 else "<I"
    axes = b"".join(
        struct.pack("<IddII", n, 0.0, 2e-9, 0, 8) + b"Position" + struct.pack("<I", 6) + b"meters"
        for n in sizes
    )
    head = b"II" + struct.pack("<HHIIII", 0x0197, version, 0x4120, 0x4152, total, len(counts))
    table = len(head) + struct.calcsize(place) + 4 + len(axes)
    at = table + 2 * total * struct.calcsize(place)
    elements, places, tags = b"", [], []
    for one in counts:
        places.append(at + len(elements))
        elements += struct.pack("<ddIHI", offset, step, 0, 6, len(one)) + one.astype("<i4").tobytes()
    for n in range(len(counts)):
        tags.append(at + len(elements))
        elements += struct.pack("<II", 0x4152, 1_600_000_000 + n)
    pad = [0] * (total - len(counts))
    offsets = b"".join(struct.pack(place, p) for p in [*places, *pad, *tags, *pad])
    return head + struct.pack(place, table) + struct.pack("<I", len(sizes)) + axes + offsets + elements


def velox(path, ranges, metadata=None, *, beside=None, frames=None, xrays=False):
    """A Velox file as two public programs describe it (synthetic: no measured one is at hand).

    ``ranges``: name -> (array as stored, offset, dispersion); ``beside`` is the metadata of the X-ray image of the scan.
    """
    import json

    import h5py

    def text(group, name, table, columns=1):
        stored = np.frombuffer(json.dumps(table).encode() + b"\0" * 8, np.uint8)
        group[name] = np.repeat(stored[:, None], columns, axis=1)

    with h5py.File(path, "w") as file:
        data = file.create_group("Data")
        file.create_group("Features/SIFeature")
        for name, (stored, offset, dispersion) in ranges.items():
            group = data.create_group(f"EelsSpectrumImage/{name}")
            group["Data"] = stored
            text(group, "Metadata", metadata or {}, 2)
            text(group, "AcquisitionMetadata", {"Data": {"offset": offset, "dispersion": dispersion}})
        if beside is not None:
            text(data.create_group("SpectrumImage/abc"), "Metadata", beside)
        if frames:
            data["Image/haadf/Data"] = np.zeros((4, 4, frames), np.uint16)
        if xrays:
            data["SpectrumStream/abc/Data"] = np.zeros((10, 1), np.uint16)
    return path
