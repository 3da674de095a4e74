"""Files that are damaged: the measured ones, and for formats without any, files made here; by kind, and what reads them."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np

__all__ = ["Corpus"]

_LARGEST = 600_000
#: Files that are read together with those of the same stem.
_TOGETHER = (".bsp", ".dmt", ".seq", ".dat", ".hdr")
_VERBS = {
    "xas": ("xas.read",),
    "xps": ("xps.read",),
    "raman": ("raman.read",),
    "ftir": ("raman.read",),
    "eels": ("xas.eels.read",),
    "rixs": ("xas.rixs.read",),
    "softxas": ("xas.read", "xas.eels.read"),
}
_OTHERS = ("xas.read", "xps.read", "raman.read", "xas.eels.read", "xas.rixs.read", "inspect")


class Corpus:
    """Files by kind, so that a format with one file is damaged as often as one with seventy.

    ``made`` is a folder for the files that are made here.
    """

    def __init__(self, data: Path, made: Path) -> None:
        self._data, self._made = data, made
        _make_all(made)
        self.kinds: dict[str, list[str]] = {}
        for file in sorted(f for f in data.rglob("*") if f.is_file() and f.stat().st_size <= _LARGEST):
            name = file.relative_to(data).as_posix()
            folder, suffix = name.rpartition("/")[0], file.suffix.lower()
            if suffix in (".e", ".chi", ".nor") or "badxdi" in name or "operando" in name:
                folder = folder.split("/")[0]
            self.kinds.setdefault(f"{folder}/*{suffix}", []).append(name)
        for file in sorted(made.iterdir()):
            self.kinds[f"made/{file.name}"] = [f"made/{file.name}"]

    def pick(self, seed: int) -> str:
        """Name of the file that is damaged with this seed."""
        rng = random.Random(f"file {seed}")
        return rng.choice(self.kinds[rng.choice(sorted(self.kinds))])

    def path(self, name: str) -> Path:
        """Where the file lies."""
        return self._made / name.removeprefix("made/") if name.startswith("made/") else self._data / name

    def ways(self, name: str, seed: int) -> list[tuple[str, str | None]]:
        """How the damaged file is read: as anybody would, by its own reader told by name, and by some other."""
        from spectra.errors import SpectraError
        from spectra.reading.registry import find_reader, readers
        from spectra.reading.source import Source

        suffix = Path(name).suffix
        if suffix == ".toml":
            return [("recipe" if "recipe" in name else "tables", None), ("spectra.read", None)]
        if name.endswith("plan.json"):
            return [("plan", None)]
        if name.endswith("results.nxs"):
            return [("load", None), ("spectra.read", None), ("calibration", None)]
        if "feff" in name:
            return [("feff", None), ("spectra.read", None)]
        if suffix == ".cif":
            return [("cif", None)]
        rng = random.Random(f"ways {seed}")
        try:
            own = find_reader(Source(self.path(name))).name
        except SpectraError:
            own = "text"
        if own == "eclab":
            return [("read_cycler", None), ("spectra.read", None)]
        verbs = [(verb, None) for verb in _VERBS.get(name.split("/")[0], ("raman.read", "xas.eels.read"))]
        other = rng.choice([(rng.choice(_OTHERS), None), ("reader", rng.choice(sorted(readers())))])
        return [("spectra.read", None), ("reader", own), *verbs, other]

    def damaged(self, name: str, seed: int, folder: Path) -> Path:
        """Write the damaged copy of a file into ``folder``, whole files that belong to it beside it."""
        from tests.fuzz.mutations import mutate

        source = self.path(name)
        if source.suffix.lower() in _TOGETHER and "agilent" in name:
            for beside in source.parent.glob(f"{source.stem}.*"):
                shutil.copyfile(beside, folder / beside.name)
        copy = folder / source.name
        copy.write_bytes(mutate(source.read_bytes(), seed))
        return copy


def _make_all(folder: Path) -> None:
    import spectra
    from spectra.pipeline.plan import InputFile, Plan, Shard
    from spectra.pipeline.shipped import find_recipe
    from tests.raman.jcamp_samples import jcamp
    from tests.spectra.results_samples import raman_measured, xas_measured
    from tests.xas.eels.eels_files import velox

    folder.mkdir(exist_ok=True)
    numbers = (1000 + 900 * np.sin(np.arange(200) / 9)).astype(int)
    for form in ("AFFN", "PAC", "SQZ", "DIFDUP"):
        (folder / f"{form.lower()}.dx").write_text(jcamp(numbers, form=form))
    counts = (1e5 / np.arange(1, 101) + np.zeros((3, 4, 1))).astype(np.uint32)
    frame = {
        "BinaryResult": {
            "PixelSize": {"width": "2e-10", "height": "3e-10"},
            "PixelUnitX": "m",
            "PixelUnitY": "m",
        }
    }
    velox(folder / "map.emd", {"core": (counts.transpose(1, 2, 0).copy(), 500.0, 0.5)}, {"Scan": {"DwellTime": "0.1"}},
          beside=frame, frames=2)  # fmt: skip
    for name, measured in (("xas", xas_measured()), ("raman", raman_measured())):
        axis = "energy" if name == "xas" else "raman_shift"
        limits = (float(measured[axis][3]), float(measured[axis][-3]))
        spectra.save(folder / f"{name}_results.nxs", spectra.crop(measured, window=limits))
    for name in ("iron_map", "lnmo_ordering", "feo_fe2p", "operando_edge"):
        (folder / f"recipe_{name}.toml").write_text(find_recipe(name).text)
    plan = Plan(
        {"name": "x", "text": find_recipe("iron_map").text, "data": None}, (InputFile("a.txt", 10, 1),), "scan",
        (Shard(0, 0, 1, None), Shard(1, 0, 1, (0, 3))), ({"window": [1.0, 2.0]},), 0, ("a",), None, 2, {"sample": "x"},
    )  # fmt: skip
    (folder / "plan.json").write_text(plan.to_json())
