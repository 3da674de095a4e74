"""Simulated files of Raman spectrometers, written from the public layouts, for what no measured file shows."""

import struct

import numpy as np

SHORT, MULTIPLE, OWN_LABELS, OWN_AXES, VALUES_OF_X = 1, 4, 32, 64, 128


def shifts(points=200, first=100.0, last=1200.0):
    return np.linspace(first, last, points)


def spectrum(x, scale=1000.0):
    """A band at 520 on a slope; whole numbers, so that every form of integers holds them."""
    return np.rint(scale * np.exp(-(((x - 520) / 20) ** 2)) + 0.1 * x)


def spc(
    x,
    ys,
    *,
    flags=0,
    x_type=13,
    y_type=4,
    z=None,
    z_type=0,
    exponent=-128,
    version=0x4B,
    log="",
    axes=None,
    label="",
):
    """An SPC file of the new formats (0x4B little-endian, 0x4C big-endian)."""
    o = ">" if version == 0x4C else "<"
    ys = np.atleast_2d(ys)
    head = bytearray(512)
    struct.pack_into(
        f"{o}BBBbIddIBBB",
        head,
        0,
        flags,
        version,
        0,
        exponent,
        len(x),
        x[0],
        x[-1],
        len(ys),
        x_type,
        y_type,
        z_type,
    )
    if label:
        head[218 : 218 + len(label)] = label.encode()
    body = bytearray()
    if flags & VALUES_OF_X and not flags & OWN_AXES:
        body += np.asarray(x, f"{o}f4").tobytes()
    for number, y in enumerate(ys):
        place = 0.0 if z is None else float(z[number])
        body += struct.pack(f"{o}BbHfffIIf4x", 0, exponent, number, place, place, 0.0, len(y), 0, 0.0)
        if flags & OWN_AXES:
            body += np.asarray(axes[number], f"{o}f4").tobytes()
        if exponent == -128:
            body += np.asarray(y, f"{o}f4").tobytes()
        elif flags & SHORT:
            body += np.asarray(np.rint(y / 2.0 ** (exponent - 16)), f"{o}i2").tobytes()
        else:
            body += np.asarray(np.rint(y / 2.0 ** (exponent - 32)), f"{o}i4").tobytes()
    if log:
        struct.pack_into(f"{o}I", head, 248, 512 + len(body))
        text = log.encode("latin-1")
        body += struct.pack(f"{o}III", 64 + len(text), 4096, 64) + bytes(52) + text
    return bytes(head + body)


def old_spc(x, y, *, exponent=14, x_type=13):
    """An SPC file of the old format (0x4D): 256 bytes of header, integers with their halves exchanged."""
    head = bytearray(256)
    struct.pack_into("<BBhfffBBH", head, 0, 0, 0x4D, exponent, len(x), x[0], x[-1], x_type, 4, 1995)
    head[20:24] = bytes((3, 17, 11, 45))
    head[64:77] = b"old spectrum\0"
    body = b""
    for number, one in enumerate(np.atleast_2d(y)):
        whole = np.rint(one / 2.0 ** (exponent - 32)).astype(np.int32).view(np.uint32)
        halves = np.stack([whole >> 16, whole & 0xFFFF], axis=1).astype("<u2")
        body += (bytes(32) if number else b"") + halves.tobytes()
    if y.ndim > 1:
        head[0] = MULTIPLE
    return bytes(head) + body


def wdf(
    x, ys, *, capacity=None, laser=532.0, units=1, origins=(), plan=None, kind=3, blocks=(), title="simulated"
):
    """A Renishaw file: ``origins`` is (kind, units, values) each, ``plan`` is (flags, x0, y0, dx, dy, nx, ny)."""
    ys = np.atleast_2d(ys).astype("<f4")
    count, points = ys.shape
    capacity = capacity or count
    head = bytearray(512)
    head[:4] = b"WDF1"
    struct.pack_into("<IQ", head, 4, 1, 512)
    struct.pack_into("<IQQIIII", head, 60, points, capacity, count, 1, 1, points, len(origins))
    struct.pack_into("<II", head, 128, 1, kind)
    struct.pack_into("<QQIf", head, 136, 133_000_000_000_000_000, 0, 6, 1e7 / laser if laser else 0.0)
    head[240 : 240 + len(title)] = title.encode()

    def block(name, content):
        return name + struct.pack("<IQ", 0, 16 + len(content)) + content

    data = np.zeros((capacity, points), "<f4")
    data[:count] = ys
    parts = [block(b"DATA", data.tobytes()), block(b"YLST", struct.pack("<IIf", 4, 16, 0.0))]
    parts.append(block(b"XLST", struct.pack("<II", 1, units) + np.asarray(x, "<f4").tobytes()))
    if origins:
        content = struct.pack("<I", len(origins))
        for number, unit, values in origins:
            column = np.zeros(capacity, "<u8" if number == 11 else "<f8")
            column[:count] = values
            content += struct.pack("<II16s", number, unit, b"") + column.tobytes()
        parts.append(block(b"ORGN", content))
    if plan is not None:
        flags, x0, y0, dx, dy, nx, ny = plan
        parts.append(block(b"WMAP", struct.pack("<II3f3f4I", flags, 0, x0, y0, 0, dx, dy, 1, nx, ny, 1, 0)))
    parts += [block(name, content) for name, content in blocks]
    return bytes(head) + b"".join(parts)
