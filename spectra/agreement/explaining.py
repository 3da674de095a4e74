"""Why sources differ, as far as numbers can say: depth, a cause in common, systematics, one that stands apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.agreement.statistics import Means, combine_means

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["DEEPER", "entries_of", "pair_table", "probability", "reason_of"]

Array = npt.NDArray[np.float64]

#: Depths that differ by this factor look at different parts of a sample; attenuation lengths are known to some 12 %.
DEEPER = 1.5
#: Beyond so many sigmas two sources differ.
APART = 2.0
#: A test that misses an error of one unit of valence says little.
BLIND = 1.0


Entry = Mapping[str, npt.NDArray[Any]]


def entries_of(data: xr.Dataset, series: Sequence[str]) -> Iterator[tuple[tuple[int, ...], Entry]]:
    """Place and arrays of each sample of a series, or of the one sample there is."""
    moved = {
        str(n): v.transpose(*series, ...).values
        for n, v in data.variables.items()
        if set(series) <= set(v.dims)
    }
    fixed = {str(n): v.values for n, v in data.variables.items() if not set(series) & set(v.dims)}
    fixed["threshold"] = np.array(data.attrs.get("threshold", 0.05))
    for place in np.ndindex(*(data.sizes[d] for d in series)):
        yield place, {**fixed, **{n: np.asarray(v[place]) for n, v in moved.items()}}


def reason_of(one: Entry) -> str:
    """The verdict on one sample in sentences."""
    verdict = str(one["verdict"].item())
    names = [str(n) for n in one["source"]]
    used = np.isfinite(np.diagonal(one["valence_covariance"])) & np.isfinite(one["valence"])
    if verdict == "undecided":
        return _undecided(names, used)
    chi2, p, f = (float(one[n]) for n in ("chi2", "p_value", "degrees_of_freedom"))
    test = f"χ² = {chi2:.3g} with {f:.0f} degrees of freedom, {probability(p)}"
    said = _agree(one, names, used, test) if verdict == "agree" else _disagree(one, names, used, test)
    left = [n for n, u in zip(names, used, strict=True) if not u]
    if left:
        said += f" Not in the test, for want of a valence or its sigma: {', '.join(left)}."
    return said


def _undecided(names: list[str], used: npt.NDArray[np.bool_]) -> str:
    if used.sum() < 2:
        have = [n for n, u in zip(names, used, strict=True) if u]
        only = f"only {have[0]} has" if have else "no source has"
        return f"Undecided: {only} a valence with a sigma here, and a comparison takes two."
    return "Undecided: the sources are one measurement, given more than once; nothing independent is left to compare."


def _agree(one: Entry, names: list[str], used: npt.NDArray[np.bool_], test: str) -> str:
    value, sigma = float(one["combined_valence"]), float(one["combined_valence_sigma"])
    said = f"The sources agree ({test}): {value:.3g} ± {sigma:.2g}."
    smallest = one["smallest_seen"][used]
    worst = int(np.argmax(smallest))
    name = np.array(names)[used][worst]
    least = f"{smallest.min():.2g}"
    if used.sum() > 2:
        least += f" ({np.array(names)[used][int(np.argmin(smallest))]}) to {smallest.max():.2g} ({name})"
    said += f" An error of one source would have been found, in four of five cases, from {least} on."
    if smallest.max() > BLIND:
        said += f" So this says little of {name}."
    here = [i for i in np.flatnonzero(used).tolist() if not np.isnan(one["information_depth"][i])]
    split = _split(one, sorted(here, key=lambda i: one["information_depth"][i]))
    if split is not None:
        said += (
            f" From what looks up to {_nm(split.shallow)} deep to what looks {_looks(split.deep)} it changes by "
            f"{split.step:+.2g} ± {split.sigma:.1g}."
        )
    return said


def _disagree(one: Entry, names: list[str], used: npt.NDArray[np.bool_], test: str) -> str:
    said = [f"The sources disagree ({test}): there is no combined value."]
    said += [_outlier(one, names, used), _by_depth(one, names, used)]
    unstated = [n for n, u, s in zip(names, used, one["valence_systematic"], strict=True) if u and not np.isfinite(s)]  # fmt: skip
    if unstated:
        said.append(
            f"No systematic is stated for {', '.join(unstated)}: the disagreement may be that, and not the sample's."
        )
    return " ".join(s for s in said if s)


def _outlier(one: Entry, names: list[str], used: npt.NDArray[np.bool_]) -> str:
    alone = [i for i, a in enumerate(one["agree_without"]) if a]
    if used.sum() < 3:
        return "With two sources it cannot be said which of them is off."
    if not alone:
        return "Leaving out any one source does not make the others agree."
    if len(alone) > 1:
        return f"Without any one of {', '.join(names[i] for i in alone)} the others agree: which of them is off cannot be said."
    i = alone[0]
    keep = [k for k in range(len(names)) if used[k] and k != i]
    rest = combine_means(one["valence"][keep], one["valence_covariance"][np.ix_(keep, keep)])
    value, sigma = float(rest.mean[0]), float(np.sqrt(rest.covariance[0, 0]))
    apart, doubt = (float(one[f"difference_from_others{end}"][i]) for end in ("", "_sigma"))
    where = "below" if apart < 0 else "above"
    return (
        f"{names[i]} stands alone, {abs(apart):.2g} ± {doubt:.1g} {where} the others; without it they agree on "
        f"{value:.3g} ± {sigma:.2g}."
    )  # fmt: skip


def _by_depth(one: Entry, names: list[str], used: npt.NDArray[np.bool_]) -> str:
    """Whether two values, one for what looks less deep and one for what looks deeper, say it all."""
    depth = one["information_depth"]
    here = [i for i in range(len(names)) if used[i] and not np.isnan(depth[i])]
    unknown = [names[i] for i in range(len(names)) if used[i] and np.isnan(depth[i])]
    note = (
        f" How deep {', '.join(unknown)} {'looks' if len(unknown) == 1 else 'look'} is not known."
        if unknown
        else ""
    )
    if len(here) < 2:
        return f"Whether surface and bulk differ cannot be said.{note}" if unknown else ""
    here.sort(key=lambda i: depth[i])
    split = _split(one, here)
    if split is None:
        return f"They look about equally deep, so it is not surface against bulk.{note}"
    found = split.found
    tested = bool(np.isfinite(found.p_value))  # with one source on each side two values always say it all
    differ = abs(split.step) >= APART * split.sigma
    if differ and tested and found.p_value < float(one["threshold"]):
        return f"{_course(one, here)}{note}"
    if not differ:
        return f"It does not go with depth.{note}"
    outer, inner = (", ".join(names[i] for i in part) for part in (here[: split.cut], here[split.cut :]))
    value = [
        f"{m:.3g} ± {np.sqrt(s):.2g}" for m, s in zip(found.mean, np.diagonal(found.covariance), strict=True)
    ]
    deeper = "or deeper " if np.isfinite(split.deep) and len(here) - split.cut > 1 else ""
    return (
        f"It {'goes' if tested else 'may go'} with depth: what looks up to {_nm(split.shallow)} deep ({outer}) says {value[0]}, "
        f"what looks {_looks(split.deep)} {deeper}({inner}) says {value[1]}"
        f"{', and within each they agree' if tested else '; one source on each side is no test of it'}. A surface "
        f"{'lower' if split.step > 0 else 'higher'} in valence than the bulk would do this.{note}"
    )


def _course(one: Entry, here: list[int]) -> str:
    """Whether all that differs does so in one direction of depth, where two values are not enough to say it."""
    depth, v, c = (one[n] for n in ("information_depth", "valence", "valence_covariance"))
    signs = []
    for k, i in enumerate(here):
        for j in here[k + 1 :]:
            sigma = float(np.sqrt(max(c[i, i] + c[j, j] - 2 * c[i, j], 0.0)))
            if depth[j] >= DEEPER * depth[i] and np.isfinite(depth[i]) and abs(v[j] - v[i]) >= APART * sigma:
                signs.append(v[j] > v[i])
    if not signs or len(set(signs)) > 1:
        return "It does not go with depth."
    return (
        f"It goes with depth, but two values are not enough: of sources of which one looks {DEEPER:g} times as deep as the "
        f"other, all {len(signs)} pairs that differ are {'lower' if signs[0] else 'higher'} where they look less deep; sources "
        "of like depth differ as well, by their systematics or because the layer is not one."
    )


@dataclass(frozen=True)
class _Split:
    """Sources in the order of their depth, cut in two where two values describe them best."""

    cut: int
    shallow: float  # nm, the deepest of the first part
    deep: float  # nm, the least deep of the second part
    found: Means
    step: float
    sigma: float


def _split(one: Entry, here: list[int]) -> _Split | None:
    """The best cut of ``here``, which lie in the order of depth; None where depths are alike."""
    depth = one["information_depth"][here]
    v = one["valence"][here]
    c = one["valence_covariance"][np.ix_(here, here)]
    best: _Split | None = None
    for cut in range(1, len(here)):
        if not depth[cut] >= DEEPER * depth[cut - 1] or np.isinf(depth[cut - 1]):
            continue
        found = combine_means(v, c, np.arange(len(here)) >= cut)
        spread = found.covariance[0, 0] + found.covariance[1, 1] - 2 * found.covariance[0, 1]
        step = float(found.mean[1] - found.mean[0])
        if best is None or found.chi2 < best.found.chi2:
            best = _Split(cut, float(depth[cut - 1]), float(depth[cut]), found, step, float(np.sqrt(spread)))
    return best


def _nm(depth: float) -> str:
    return (
        "all of the sample"
        if np.isinf(depth)
        else f"{depth:.2g} nm"
        if depth < 1000
        else f"{depth / 1000:.2g} µm"
    )


def probability(p: float) -> str:
    """A p-value as a reader needs it."""
    return f"p = {p:.2g}" if p >= 1e-4 else "p < 0.0001"


def _looks(depth: float) -> str:
    return "at all of the sample" if np.isinf(depth) else f"{_nm(depth)} deep"


def pair_table(one: Entry) -> pd.DataFrame:
    """Each pair of sources of one sample: difference, in sigmas, and what could explain it."""
    import pandas as pd

    names = [str(n) for n in one["source"]]
    v, c = one["valence"], one["valence_covariance"]
    rows = []
    for i in range(len(names)):
        for j in range(i + 1, len(names)):
            apart = float(v[i] - v[j])
            sigma = float(np.sqrt(max(c[i, i] + c[j, j] - 2 * c[i, j], 0.0)))
            sigmas = apart / sigma if sigma > 0 else np.nan
            rows.append(
                {
                    "source": names[i], "other": names[j], "difference": apart, "sigma": sigma, "in_sigmas": sigmas,
                    "shared": str(one["shared_causes"][i, j]), "what_could_explain_it": _explain(one, i, j, sigmas),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def _explain(one: Entry, i: int, j: int, sigmas: float) -> str:
    if not np.isfinite(sigmas):
        return "no two valences with a sigma"
    if abs(sigmas) < APART:
        return "nothing to explain"
    said = []
    depth = one["information_depth"][[i, j]]
    if np.isnan(depth).any():
        said.append("depth not known of both: surface against bulk cannot be told")
    elif depth.max() >= DEEPER * depth.min():
        factor = "" if np.isinf(depth.max()) else f", {depth.max() / depth.min():.2g} times"
        said.append(f"depths differ ({_nm(depth[0])}, {_nm(depth[1])}{factor}): surface against bulk")
    else:
        said.append("about equally deep: not surface against bulk")
    systematic = one["valence_systematic"][[i, j]]
    noise = one["valence_sigma"][[i, j]]
    if not np.isfinite(systematic).all():
        said.append("a systematic is not stated")
    elif np.hypot(*systematic) > np.hypot(*noise):
        said.append("systematics are the larger part: calibration or model")
    if str(one["shared_causes"][i, j]):
        said.append("what they share cancels: it is not that")
    return "; ".join(said)
