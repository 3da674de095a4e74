"""Files as bad copies, broken programs and hostile people leave them: the same damage for the same seed, always."""

from __future__ import annotations

import gzip
import io
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable

__all__ = ["MUTATIONS", "mutate"]

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_NUMBER = re.compile(rb"[-+]?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?")
_ODD_NUMBERS = (
    b"", b"nan", b"-inf", b"1e400", b"-1", b"0", b"99999999999999999999", b"1e308", b"-1e308", b"1e-320", b"2147483648",
    b"4294967295", b"1,5", b"1.2.3", b"\xd9\xa3", b"1_0", b"0x10", b"text", b"1" * 5000,
)  # fmt: skip
_SIZES = (
    0,
    1,
    0x7F,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    0x7FFFFFFFFFFFFFFF,
    0xFFFFFFFFFFFFFFFF,
)
_FLOATS = (float("nan"), float("inf"), -float("inf"), 1e300, -1e300, 5e-324, 0.0, -1.0)


def mutate(content: bytes, seed: int) -> bytes:
    """``content`` after one to three damages; which ones and where hangs on ``seed`` alone."""
    rng = random.Random(seed)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        fitting = [change for change, fits in MUTATIONS if fits(content)]
        content = rng.choice(fitting)(content, rng) if content else content
    return content


def _span(data: bytes, rng: random.Random, longest: int = 2000) -> tuple[int, int]:
    """A piece of the file: as often near its beginning, where headers are, as anywhere."""
    at = rng.randrange(min(len(data), rng.choice((64, 512, 4096, len(data)))))
    return at, min(len(data), at + rng.randint(1, min(longest, len(data))))


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: _span(data, rng)[0]]


def _flip_bits(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 8, 40))):
        changed[_span(data, rng)[0]] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _other_bytes(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 3, 20))):
        changed[_span(data, rng)[0]] = rng.choice((0, 255, 10, 9, 32, 44, 46, 60, rng.randrange(256)))
    return bytes(changed)


def _fill(data: bytes, rng: random.Random) -> bytes:
    first, end = _span(data, rng, 400)
    return data[:first] + rng.choice((b"\0", b"\xff", b"A", b" ", b"9")) * (end - first) + data[end:]


def _drop(data: bytes, rng: random.Random) -> bytes:
    first, end = _span(data, rng)
    return data[:first] + data[end:]


def _double(data: bytes, rng: random.Random) -> bytes:
    first, end = _span(data, rng)
    return data[:end] + data[first:end] * rng.choice((1, 1, 2, 50)) + data[end:]


def _exchange(data: bytes, rng: random.Random) -> bytes:
    (a, b), (c, d) = sorted((_span(data, rng, 200), _span(data, rng, 200)))
    return data if b > c else data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def _size(data: bytes, rng: random.Random) -> bytes:
    """A count or an offset that is far too large, or nothing, in any width and order of bytes."""
    changed, width = bytearray(data), rng.choice((1, 2, 4, 8))
    for _ in range(rng.choice((1, 1, 4))):
        at = _span(data, rng)[0] // width * width
        value = rng.choice(_SIZES) % 256**width
        changed[at : at + width] = value.to_bytes(width, rng.choice(("little", "big")))
    return bytes(changed)


def _float(data: bytes, rng: random.Random) -> bytes:
    code, width = rng.choice(("<f", ">f", "<d", ">d")), 8
    width = struct.calcsize(code)
    at = _span(data, rng)[0] // width * width
    value = rng.choice(_FLOATS)
    value = value if width == 8 or not 1e38 < abs(value) < 1e301 else 3e38
    return data[:at] + struct.pack(code, value) + data[at + width :]


def _numbers(data: bytes, rng: random.Random) -> bytes:
    """Numbers in the text become something else: one of them, or one in so many."""
    found = [m.span() for m in _NUMBER.finditer(data[:200_000])]
    if not found:
        return data
    many = rng.choice((1, 1, 3, len(found) // 10 + 1))
    early = found[: rng.choice((8, 40, len(found)))]
    word, changed = rng.choice(_ODD_NUMBERS), data
    for first, end in sorted(rng.sample(early, min(many, len(early))), reverse=True):
        changed = changed[:first] + word + changed[end:]
    return changed


def _lines(data: bytes, rng: random.Random) -> bytes:
    """Lines exchanged, doubled, lost or emptied."""
    lines = data.split(b"\n")
    near = min(len(lines), rng.choice((10, 60, len(lines))))
    i, j = rng.randrange(near), rng.randrange(near)
    what = rng.randrange(5)
    if what == 0:
        lines[i], lines[j] = lines[j], lines[i]
    elif what == 1:
        lines[i:i] = lines[i : i + 1] * rng.choice((1, 3, 500))
    elif what == 2:
        del lines[min(i, j) : max(i, j) + 1]
    elif what == 3:
        lines[i] = b""
    else:
        lines[i] = lines[i] * rng.choice((2, 300))
    return b"\n".join(lines)


def _header_fields(data: bytes, rng: random.Random) -> bytes:
    """Two lines of the header keep their keys and exchange their values."""
    lines = data.split(b"\n")
    mark = rng.choice((b":", b"=", b"\t", b",", b" ", b">"))
    keyed = [i for i, line in enumerate(lines[:200]) if mark in line]
    if len(keyed) < 2:
        return data
    i, j = rng.sample(keyed, 2)
    (a, _, b), (c, _, d) = lines[i].partition(mark), lines[j].partition(mark)
    lines[i], lines[j] = a + mark + d, c + mark + b
    return b"\n".join(lines)


def _line_ends(data: bytes, rng: random.Random) -> bytes:
    return data.replace(b"\r\n", b"\n").replace(
        b"\n", rng.choice((b"\r", b"\r\n", b"\n\n", b"\r\r\n", b"\x0b", b""))
    )


def _delimiters(data: bytes, rng: random.Random) -> bytes:
    old, new = rng.sample((b"\t", b",", b";", b" ", b".", b":", b"=", b"|"), 2)
    return data.replace(old, new, rng.choice((1, 10, -1)))


def _encoding(data: bytes, rng: random.Random) -> bytes:
    text = data.decode("latin-1")
    return rng.choice(
        (
            lambda: text.encode("utf-16"),
            lambda: text.encode("utf-16-be"),
            lambda: b"\xff\xfe" + data,
            lambda: b"\xef\xbb\xbf" + data,
            lambda: text.encode("utf-32"),
            lambda: data.replace(b"e", b"\xe9", 50),
            lambda: data.replace(b"a", b"\xed\xa0\x80", 3),
        )
    )()


def _in_gzip(data: bytes, rng: random.Random) -> bytes:
    """Damage inside of what is compressed."""
    try:
        return gzip.compress(mutate(gzip.decompress(data), rng.randrange(2**31)), 1, mtime=0)
    except (OSError, EOFError, zlib.error):
        return data


def _in_zip(data: bytes, rng: random.Random) -> bytes:
    """Damage inside of one member of an archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as old:
            members = {info.filename: old.read(info) for info in old.infolist() if info.file_size < 2**24}
    except Exception:  # the archive is damaged already
        return data
    if not members:
        return data
    chosen = rng.choice(sorted(members))
    members[chosen] = mutate(members[chosen], rng.randrange(2**31))
    if rng.random() < 0.1:
        del members[chosen]
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in members.items():
            new.writestr(zipfile.ZipInfo(name), content)
    return made.getvalue()


def _in_hdf5(data: bytes, rng: random.Random) -> bytes:
    """A well-formed HDF5 file that holds other things than its format says."""
    from tests.fuzz.hdf5_mutations import change

    return change(data, rng)


def _always(data: bytes) -> bool:
    return True


def _is_text(data: bytes) -> bool:
    return b"\0" not in data[:2000]


def _begins(*marks: bytes) -> Callable[[bytes], bool]:
    return lambda data: data.startswith(marks)


_hdf5 = _begins(_SIGNATURE)
MUTATIONS: tuple[tuple[Callable[[bytes, random.Random], bytes], Callable[[bytes], bool]], ...] = (
    *((change, _always) for change in (_cut, _flip_bits, _other_bytes, _fill, _drop, _double, _exchange, _size)),
    (_float, lambda data: not _is_text(data)),
    *((change, _is_text) for change in (_numbers, _numbers, _lines, _header_fields, _line_ends, _delimiters, _encoding)),
    *((_in_gzip, _begins(b"\x1f\x8b")) for _ in range(8)),
    *((_in_zip, _begins(b"PK")) for _ in range(8)),
    *((_in_hdf5, _hdf5) for _ in range(5)),
)  # fmt: skip
