"""HDF5 files that any library opens and that hold other things than a reader expects."""

from __future__ import annotations

import io
import random

import h5py
import numpy as np

__all__ = ["change"]


def change(data: bytes, rng: random.Random) -> bytes:
    """``data`` with one to three members, attributes or links replaced; unchanged where it cannot be opened."""
    try:
        image = io.BytesIO(data)
        with h5py.File(image, "r+") as file:
            for _ in range(rng.randint(1, 3)):
                _one(file, rng)
        return image.getvalue()
    except Exception:  # damaged already
        return data


def _members(file: h5py.File) -> list[tuple[h5py.Group, str]]:
    """Every link, found without following one twice; what is deep below is left out."""
    found, waiting = [], [(file["/"], 0)]
    while waiting:
        group, depth = waiting.pop()
        for name in group:
            found.append((group, name))
            if group.get(name, getclass=True, getlink=True) is h5py.HardLink and depth < 12:
                item = group[name]
                if isinstance(item, h5py.Group):
                    waiting.append((item, depth + 1))
    return found


def _value(rng: random.Random) -> object:
    return rng.choice(
        (
            "text", "", b"\xff\xfe", 0, -1, 2**62, float("nan"), np.zeros(0), np.arange(3.0), np.zeros((2, 2, 2)),
            np.array(["a", "b"], dtype=h5py.string_dtype()), np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
            h5py.Empty("f8"), np.array([1 + 2j]), np.array([b"x" * 40]), True, np.full(700, np.nan), "1", "nan", "/",
            np.datetime64("2020-01-01").astype("i8"), np.array([np.void(b"abc")]), np.arange(700)[::-1].astype("u1"),
        )
    )  # fmt: skip


def _one(file: h5py.File, rng: random.Random) -> None:
    group, name = rng.choice(_members(file))
    what = rng.randrange(11)
    kind = group.get(name, getclass=True, getlink=True)
    item = group[name] if kind is h5py.HardLink else None
    if what <= 3:  # an attribute becomes another
        owner = item if item is not None else group
        names = list(owner.attrs) or list(file.attrs) or ["units"]
        owner = owner if list(owner.attrs) else file
        attribute = rng.choice(names)
        if rng.random() < 0.3:
            owner.attrs.pop(attribute, None)
        else:
            owner.attrs[attribute] = _value(rng)
        return
    if what == 4 and isinstance(item, h5py.Dataset) and item.dtype.kind in "fiu" and item.size:
        item[...] = (
            rng.choice((0, 1, 255)) if item.dtype.kind in "iu" else rng.choice((np.nan, np.inf, 1e300, 0.0))
        )
        return
    if what == 5 and isinstance(item, h5py.Dataset) and item.ndim and item.dtype.kind in "fiu" and item.size:
        values, attrs = item[()], dict(item.attrs)
        changed = rng.choice(
            (values[:0], values[:1], values.T, values[None], values[:-1], values.ravel(), values[::-1])
        )
        del group[name]
        group[name] = changed
        group[name].attrs.update(attrs)
        return
    del group[name]
    if what == 6:
        group[name] = _value(rng)
    elif what == 7:
        group[name] = rng.choice(
            (h5py.SoftLink("/"), h5py.SoftLink("/nowhere"), h5py.SoftLink(f"{group.name}/{name}"))
        )
    elif what == 8:
        group[name] = h5py.ExternalLink(rng.choice(("/etc/passwd", "none.h5", "../../x")), "/")
    elif what == 9:
        group[name] = rng.choice((file["/"], group))  # a way round that never ends
    elif what == 10:
        if rng.random() < 0.5:
            group.create_group(name)
        else:
            attrs = dict(item.attrs) if item is not None else {}
            group.create_dataset(
                name, (2 ** rng.choice((20, 33, 45)), 7), "f8", chunks=(1024, 7), compression="gzip"
            )
            group[name].attrs.update(attrs)
