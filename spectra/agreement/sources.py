"""What one technique says of the valence, read from the attributes and names that its verbs leave in a dataset."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.dataset import failed, series_dims, signal_name
from spectra.errors import InvalidInput, did_you_mean
from spectra.verbs import history

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Source", "sources_of"]

#: Names under which verbs keep a valence.
VALENCES = ("valence", "mean_valence", "valence_mixture")
#: What a number that is given by hand may say.
GIVEN = ("valence", "sigma", "systematic", "depth", "technique", "method", "element", "sample")
#: Flag of a spectrum of which the technique itself draws no conclusion.
UNDECIDED = ("undecided", "valence_undecided")


@dataclass(frozen=True)
class Source:
    """One valence per spectrum with what is known of it."""

    name: str
    technique: str
    method: str
    value: xr.DataArray
    sigma: xr.DataArray  # what repeats of the measurement scatter by
    systematic: xr.DataArray  # what does not average out; NaN where it is not stated
    depth: float = float("nan")  # nm, 95 % of the signal come from above it; infinite: all of the sample
    depth_sigma: float = float("nan")
    depth_from: str = "not known"
    element: str = ""
    sample: str = ""
    calibration: str = ""  # the same text: the same calibration
    standards: str = ""
    spectra: str = ""  # the same text: the same measured points
    remarks: tuple[str, ...] = ()

    def remark(self, text: str) -> Source:
        """With one more remark."""
        return self if text in self.remarks else replace(self, remarks=(*self.remarks, text))


def sources_of(name: str, given: Any, variables: Any = None) -> list[Source]:
    """The sources in what was given under ``name``: one per valence of a dataset, or one number.

    Raises
    ------
    InvalidInput
        No valence in it, or none with an uncertainty.
    """
    import xarray as xr

    if isinstance(given, xr.Dataset):
        return _of_dataset(name, given, variables)
    if isinstance(given, Mapping):
        return [_of_numbers(name, given)]
    if isinstance(given, tuple | list) and len(given) == 2:
        return [_of_numbers(name, {"valence": given[0], "sigma": given[1]})]
    raise InvalidInput(
        f"source {name!r} is a dataset with a valence, (valence, sigma), or a table of {', '.join(GIVEN)}; got "
        f"{type(given).__name__}."
    )


def _of_numbers(name: str, given: Mapping[str, Any]) -> Source:
    import xarray as xr

    for key in given:
        if key not in GIVEN:
            raise InvalidInput(f"source {name!r} has no {key!r}; {did_you_mean(key, GIVEN)}.")
    if "valence" not in given or "sigma" not in given:
        raise InvalidInput(
            f"source {name!r} needs a valence and its sigma, got {', '.join(map(str, given)) or 'nothing'}."
        )

    def number(key: str) -> xr.DataArray:
        value = given.get(key, np.nan)
        if isinstance(value, xr.DataArray):
            return value.astype(float)
        try:
            return xr.DataArray(float(value))
        except (TypeError, ValueError):
            raise InvalidInput(
                f"{key} of source {name!r} is a number, or a DataArray along a series, got {value!r}."
            ) from None

    source = Source(
        name, str(given.get("technique", "")), str(given.get("method", "given")), number("valence"),
        number("sigma"), number("systematic"), element=str(given.get("element", "")),
        sample=str(given.get("sample", "")),
    )  # fmt: skip
    _check_uncertainties(source)
    return with_depth(source, given["depth"]) if "depth" in given else source


def with_depth(source: Source, given: Any) -> Source:
    """``source`` looking as deep as the user says: nm, or (nm, its standard uncertainty)."""
    pair = given if isinstance(given, tuple | list) else (given, np.nan)
    try:
        depth, sigma = (float(p) for p in pair)
    except (TypeError, ValueError):
        depth, sigma = np.nan, np.nan
    if not depth > 0 or sigma < 0:
        raise InvalidInput(
            f"depth of {source.name!r} is in nm and above 0, or (depth, sigma); inf for all of the sample; got {given!r}."
        )
    return replace(source, depth=depth, depth_sigma=sigma, depth_from="given")


def _of_dataset(name: str, dataset: xr.Dataset, variables: Any) -> list[Source]:
    if variables is None:
        marked = [str(n) for n, v in dataset.data_vars.items() if "calibration" in v.attrs]
        wanted = [n for n in dict.fromkeys((*VALENCES, *marked)) if n in dataset.data_vars]
    else:
        wanted = [variables] if isinstance(variables, str) else list(variables)
    missing = [n for n in wanted if n not in dataset.data_vars]
    if missing or not wanted:
        numbers = [str(n) for n in dataset.data_vars if f"{n}_sigma" in dataset]
        what = f"no variable {missing[0]!r}" if missing else f"no valence (none of {', '.join(VALENCES)})"
        raise InvalidInput(
            f"source {name!r} has {what}; numbers with a sigma in it: {', '.join(numbers) or 'none'}. Call the verb of its "
            "technique that reads a valence first, or name one by variables={...}."
        )
    profile = _levels(name, dataset)
    if profile and variables is None:
        return profile
    made = [_of_variable(name if len(wanted) == 1 else f"{name}: {v}", dataset, v) for v in wanted]
    return made


def _of_variable(name: str, dataset: xr.Dataset, variable: str) -> Source:
    value = dataset[variable]
    axes = [str(d) for d in value.dims if d not in series_dims(dataset)]
    if axes:
        raise InvalidInput(
            f"{variable!r} of source {name!r} lies along {axes[0]}: a valence is one number per spectrum."
        )
    if f"{variable}_sigma" not in dataset:
        raise InvalidInput(
            f"{variable!r} of source {name!r} has no {variable}_sigma: without an uncertainty nothing can be compared."
        )
    sigma, systematic = _uncertainties(dataset, variable)
    fine = ~failed(dataset) & ~_undecided(dataset)
    calibration = str(value.attrs.get("calibration", ""))
    source = Source(
        name, str(dataset.attrs.get("technique", "")), _method(dataset, variable),
        value.where(fine).compute().astype(float), sigma.compute().astype(float),
        systematic.compute().astype(float), element=_element(dataset), sample=str(dataset.attrs.get("sample", "")),
        calibration=calibration, standards=_standards(calibration), spectra=_fingerprint(dataset),
        remarks=_remarks(dataset, variable),
    )  # fmt: skip
    _check_uncertainties(source)
    return _own_depth(source, dataset)


def _uncertainties(dataset: xr.Dataset, variable: str) -> tuple[xr.DataArray, xr.DataArray]:
    """What averages out, and what does not.

    ``_sigma`` holds both where there is a ``_noise``, the part of it that is noise; ``_systematic`` and
    ``_reference_sigma`` stand beside ``_sigma``.
    """
    sigma = dataset[f"{variable}_sigma"]
    noise = dataset.get(f"{variable}_noise")
    parts = [
        dataset[f"{variable}{end}"]
        for end in ("_systematic", "_reference_sigma")
        if f"{variable}{end}" in dataset
    ]
    if noise is not None:
        # a sigma without any noise is that of noise-free data: the smallest that can be inverted
        parts.append((sigma**2 - noise**2).clip(min=0) ** 0.5)
        sigma = noise.clip(min=1e-6)
    if not parts:
        return sigma, sigma * np.nan
    total = sum(p**2 for p in parts)
    return sigma, (total + sigma * 0) ** 0.5


def _check_uncertainties(source: Source) -> None:
    known = np.isfinite(source.value.values)
    sigma = np.broadcast_to(source.sigma.values, known.shape)
    if not np.all(sigma[known & np.isfinite(sigma)] > 0):
        raise InvalidInput(
            f"sigma of source {source.name!r} must be above 0: what has no uncertainty cannot be compared."
        )
    if np.any(source.systematic.values < 0):
        raise InvalidInput(f"systematic of source {source.name!r} must not be negative.")


def _undecided(dataset: xr.Dataset) -> Any:
    """Spectra of which the technique says that their valence is no conclusion."""
    if "status" not in dataset:
        return False
    names = str(dataset["status"].attrs.get("flag_meanings", "")).split()
    mask = sum(1 << i for i, n in enumerate(names) if n in UNDECIDED)
    return (dataset["status"] & mask) != 0


def _method(dataset: xr.Dataset, variable: str) -> str:
    by = [str(e["verb"]) for e in history(dataset) if variable in e.get("added", ())]
    text = str(dataset[variable].attrs.get("calibration", ""))
    measure = str(json.loads(text).get("measure", "")) if text.startswith("{") else ""
    said = measure or str(dataset[variable].attrs.get("long_name", variable))
    return ": ".join([*by[-1:], said])


def _element(dataset: xr.Dataset) -> str:
    stated = str(dataset.attrs.get("element", "")).strip()
    found = re.match(r"([A-Z][a-z]?)\b", str(dataset.attrs.get("region", "")))
    return stated or (found.group(1) if found else "")


def _standards(calibration: str) -> str:
    """Standards of a calibration and what was measured of them, whatever the measure."""
    if not calibration.startswith("{"):
        return ""
    table = json.loads(calibration)
    known = [(s.get("name"), s.get("valence")) for s in table.get("standards", ())]
    return json.dumps([table.get("element"), table.get("edge"), sorted(known)]) if known else ""


def _fingerprint(dataset: xr.Dataset) -> str:
    """The measured points, in short: two sources from the same ones share their noise.

    Of a series the first and the last spectrum: one that lies on disk is not read for this.
    """
    signal = dataset[signal_name(dataset)]
    ends = signal.isel({d: [0, -1] for d in series_dims(dataset)}).values
    digest = hashlib.sha256(np.ascontiguousarray(ends).tobytes())
    digest.update(repr((signal.dims, signal.shape)).encode())
    return digest.hexdigest()


def _remarks(dataset: xr.Dataset, variable: str) -> tuple[str, ...]:
    """What has to be said of a valence: numbers to be verified, flags, simulated data."""
    texts = [t for e in history(dataset) for t in e.get("notes", ())]
    said = [t for t in texts if re.search(r"to be verified|to-verify", t)]
    if dataset[variable].attrs.get("status") == "to-verify":
        said.append("its numbers are yet to be verified")
    if "status" in dataset:
        bits = int(np.bitwise_or.reduce(np.ravel(dataset["status"].values)))
        names = str(dataset["status"].attrs.get("flag_meanings", "")).split()
        flags = [n for i, n in enumerate(names) if bits & (1 << i)]
        said += [f"flagged {', '.join(flags)}"] if flags else []
    return tuple(dict.fromkeys(said))


def _own_depth(source: Source, dataset: xr.Dataset) -> Source:
    """``source`` with the depth that the dataset states as ``information_depth``."""
    if "information_depth" not in dataset:
        return source
    depth = dataset["information_depth"]
    sigma = dataset.get("information_depth_sigma")
    attrs = depth.attrs
    said = ", ".join(str(attrs[k]) for k in ("geometry", "method") if attrs.get(k))
    source = replace(
        source,
        depth=float(np.median(depth.values)),
        depth_sigma=float("nan") if sigma is None else float(np.median(sigma.values)),
        depth_from=said or "stated by the dataset",
    )
    if attrs.get("status") == "to-verify":
        source = source.remark("its information depth is yet to be verified")
    return source


def _levels(name: str, dataset: xr.Dataset) -> list[Source]:
    """Surface and core as two sources, where a line was found to have a step of the valence."""
    import xarray as xr

    if "profile_verdict" not in dataset or "valence" not in [str(q) for q in dataset["quantity"].values]:
        return []
    one = dataset.sel(quantity="valence")
    if one["profile_verdict"].ndim or str(one["profile_verdict"].item()) != "step":
        return []
    step = float(one["step_position"])
    dim = next(str(d) for d in dataset["profile_curve"].dims if d in series_dims(dataset))
    places = dataset[dim].values.astype(float) if dim in dataset.coords else np.arange(dataset.sizes[dim])
    nm = str(one["step_position"].attrs.get("units", "")) == "nm"
    outer = min((places.min(), places.max()), key=lambda end: abs(end - step))
    whole = _of_variable(name, dataset, "valence")
    far = max(abs(places.max() - outer), abs(places.min() - outer))
    made = []
    for end, level, depth in (("surface", "surface_level", abs(step - outer)), ("core", "core_level", far)):
        value, sigma = float(one[level]), float(one[f"{level}_sigma"])
        made.append(
            replace(
                whole, name=f"{name}: {end}", value=xr.DataArray(value), sigma=xr.DataArray(sigma),
                systematic=xr.DataArray(float(np.nanmean(whole.systematic.values)))
                if np.isfinite(whole.systematic.values).any() else xr.DataArray(np.nan),
                method=f"{end} level of the step along {dim}", spectra="",
                depth=float(depth) if nm else float("nan"),
                depth_sigma=float(one["step_position_sigma"]) if nm else float("nan"),
                depth_from=f"place along {dim}: {'from the surface to the step' if end == 'surface' else 'from the step inwards, as far as the line goes'}",
            )
        )  # fmt: skip
    return made
