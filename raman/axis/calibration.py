"""Calibration of a Raman axis: what is added to it, how sure that is, and which lines say so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput, WriteError
from spectra.knowledge import read_toml

__all__ = ["AxisCalibration", "CalibrationLine", "Disagreement", "load_calibration"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CalibrationLine:
    """One line of a standard; positions in 1/cm, ``position`` on the axis as it was measured."""

    standard: str
    name: str  # the tabulated value with its unit
    position: float
    sigma: float
    expected: float  # Raman shift with the laser as calibrated
    residual: float  # calibrated position less expected one
    used: bool


@dataclass(frozen=True)
class Disagreement:
    """What the lines of a standard are off by, on average, where the other standards alone calibrate the axis."""

    standard: str
    offset: float  # 1/cm, calibrated by the others less tabulated
    sigma: float
    lines: int

    @property
    def significant(self) -> bool:
        """Off by more than two standard deviations."""
        return abs(self.offset) > 2 * self.sigma


@dataclass(frozen=True)
class AxisCalibration:
    r"""Shift = x + Σ a_k t^k with t = (x − center)/half, straight on beyond the outermost lines.

    The standard uncertainty of a shift is that of the polynomial, with the tabulated lines' own, and what single lines
    scatter about it beyond that (``scatter``), and half of what standards disagree by (``disagreement``).
    """

    standards: tuple[str, ...]
    center: float
    half: float
    coefficients: tuple[float, ...]  # 1/cm
    covariance: tuple[tuple[float, ...], ...]
    range: tuple[float, float]  # of the lines, on the axis as measured
    scatter: float  # 1/cm
    disagreement: float  # 1/cm
    lines: tuple[CalibrationLine, ...]
    disagreements: tuple[Disagreement, ...] = ()
    laser_wavelength: float | None = None  # nm in vacuum
    laser_wavelength_sigma: float | None = None
    to_verify: tuple[str, ...] = ()  # tabulated numbers that nobody has compared with their source

    @property
    def degree(self) -> int:
        """Degree of the polynomial."""
        return len(self.coefficients) - 1

    @property
    def rms(self) -> float:
        """Root mean square residual of the lines used, in 1/cm."""
        return float(np.sqrt(np.mean([line.residual**2 for line in self.lines if line.used])))

    def shift(self, x: npt.ArrayLike) -> Array:
        """Calibrated Raman shifts of positions on the axis as measured."""
        given = np.asarray(x, float)
        inside = np.clip(given, *self.range)
        t = (inside - self.center) / self.half
        correction = np.polynomial.polynomial.polyval(t, self.coefficients)
        slopes = np.polynomial.polynomial.polyder(np.array(self.coefficients))
        return np.asarray(
            given + correction + np.polynomial.polynomial.polyval(t, slopes) * (given - inside) / self.half
        )

    def sigma(self, x: npt.ArrayLike) -> Array:
        """Standard uncertainty of the calibrated shifts; beyond the outermost lines that of the polynomial gone on."""
        t = (np.asarray(x, float) - self.center) / self.half
        powers = t[..., None] ** np.arange(len(self.coefficients))
        variance = np.einsum("...i,ij,...j->...", powers, np.array(self.covariance), powers)
        return np.asarray(np.sqrt(np.maximum(variance, 0) + self.scatter**2 + (self.disagreement / 2) ** 2))

    def to_spec(self) -> dict[str, Any]:
        """As a table of plain values: what recipes, histories and files hold."""
        table = {k: v for k, v in asdict(self).items() if v is not None}
        for key in ("standards", "coefficients", "range", "to_verify", "lines", "disagreements"):
            table[key] = list(table[key])
        table["covariance"] = [list(row) for row in self.covariance]
        return table

    @classmethod
    def from_spec(cls, table: Mapping[str, Any]) -> AxisCalibration:
        """The calibration written as a table.

        Raises
        ------
        InvalidInput
            A key is missing or not known.
        """
        values = dict(table)
        try:
            values["lines"] = tuple(CalibrationLine(**line) for line in values["lines"])
            values["disagreements"] = tuple(Disagreement(**d) for d in values.get("disagreements", ()))
            for key in ("standards", "coefficients", "to_verify"):
                values[key] = tuple(values.get(key, ()))
            values["range"] = (float(values["range"][0]), float(values["range"][1]))
            values["covariance"] = tuple(tuple(row) for row in values["covariance"])
            made = cls(**values)
            shape = np.array(made.covariance).shape
        except (TypeError, KeyError, ValueError, IndexError) as error:
            raise InvalidInput(
                f"this table is no calibration of a Raman axis ({error}); raman.calibrate_axis makes one."
            ) from None
        if shape != (len(made.coefficients),) * 2 or not made.half > 0:
            raise InvalidInput(
                f"this calibration has {len(made.coefficients)} coefficients and a covariance of shape {shape}: it was "
                "changed by hand; make it anew with raman.calibrate_axis."
            )
        return made

    def save(self, path: str | Path) -> Path:
        """Write it as a TOML file."""
        import tomli_w

        target = Path(path)
        if target.suffix != ".toml":
            raise WriteError(f"a calibration is written as .toml, got {target.name!r}.")
        beside = target.with_name(f"{target.name}.part")
        beside.write_text(tomli_w.dumps(self.to_spec()), encoding="utf-8")
        beside.replace(target)
        return target

    def _repr_html_(self) -> str:
        from spectra.notebook.pages import page_html, sentence_html, table_html

        rows = [
            (e.standard, e.name, f"{e.position:.3f} ± {e.sigma:.3f}", f"{e.expected:.3f}", f"{e.residual:+.3f}", "" if e.used else "left out")
            for e in self.lines
        ]  # fmt: skip
        return page_html(
            "Calibration of a Raman axis",
            table_html(
                ["standard", "line", "measured (1/cm)", "expected (1/cm)", "residual (1/cm)", ""], rows
            ),
            "".join(map(sentence_html, str(self).splitlines())),
        )

    def __str__(self) -> str:
        used = [line for line in self.lines if line.used]
        said = [
            f"{len(used)} of {len(self.lines)} lines of {', '.join(self.standards)}, degree {self.degree}, "
            f"residuals {self.rms:.2f} 1/cm (rms), largest {max(abs(line.residual) for line in used):.2f}"
        ]
        if self.laser_wavelength is not None:
            sigma = "" if self.laser_wavelength_sigma is None else f" ± {self.laser_wavelength_sigma:.4f}"
            said.append(f"laser {self.laser_wavelength:.4f}{sigma} nm in vacuum")
        said += [
            f"{d.standard} is {d.offset:+.2f} ± {d.sigma:.2f} 1/cm off the others ({d.lines} lines)"
            for d in self.disagreements
            if d.significant
        ]
        return "; ".join(said)


def load_calibration(path: str | Path) -> AxisCalibration:
    """The calibration in a TOML file, or the one that a results file was calibrated with.

    Parameters
    ----------
    path : str or path
        A TOML file that :meth:`AxisCalibration.save` wrote, or a results file with a calibrated Raman axis.

    Returns
    -------
    AxisCalibration

    Raises
    ------
    InvalidInput
        If the file holds none.
    """
    import json

    source = Path(path)
    if source.suffix == ".toml":
        return AxisCalibration.from_spec(read_toml(source, "the calibration"))
    import spectra

    data = spectra.load(source)
    for dataset in data.values() if isinstance(data, Mapping) and not hasattr(data, "data_vars") else [data]:
        for variable in dataset.data_vars.values():
            if "calibration" in variable.attrs and str(variable.name) == "raman_shift_sigma":
                return AxisCalibration.from_spec(json.loads(variable.attrs["calibration"]))
    raise InvalidInput(f"{source.name} holds no calibrated Raman axis.")
