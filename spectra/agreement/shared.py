"""What several sources have in common and must not be counted twice: spectra, standards, and what the user says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from spectra.agreement.sources import Source
from spectra.errors import InvalidInput, did_you_mean

__all__ = ["Shared", "understand_shared"]

Array = npt.NDArray[np.float64]


class Shared:
    """Who shares what, and the covariance that follows.

    Where two sources share all of a kind of uncertainty, their covariance is the square of the smaller one: the larger
    holds the smaller and something of its own. So none of them gets a negative weight.
    """

    def __init__(
        self, names: Sequence[str], noise: Mapping[str, set[str]], systematic: Mapping[str, set[str]],
        amounts: Mapping[str, Mapping[str, float]],
    ) -> None:  # fmt: skip
        self.names = list(names)
        self.amounts = {why: np.array([float(a.get(n, 0.0)) for n in names]) for why, a in amounts.items()}
        self._noise, self._systematic = dict(noise), _joined(systematic)
        self.together = {"noise": self._mask(noise), "systematic": self._mask(self._systematic)}

    def _mask(self, groups: Mapping[str, set[str]]) -> npt.NDArray[np.bool_]:
        inside = np.array([[n in members for n in self.names] for members in groups.values()], bool)
        inside = inside.reshape(-1, len(self.names))
        return np.asarray(
            (inside[:, :, None] & inside[:, None, :]).any(0) | np.eye(len(self.names), dtype=bool)
        )

    def covariance(self, sigma: Array, systematic: Array) -> Array:
        """(..., n, n) from standard uncertainties (..., n); a systematic that is not stated counts as none."""
        stated = np.where(np.isfinite(systematic), systematic, 0.0)
        named = np.sum([a**2 for a in self.amounts.values()], axis=0) if self.amounts else 0.0
        rest = np.maximum(stated**2 - named, 0.0)
        total = self.together["noise"] * np.minimum(sigma[..., :, None] ** 2, sigma[..., None, :] ** 2)
        total = total + self.together["systematic"] * np.minimum(rest[..., :, None], rest[..., None, :])
        for amount in self.amounts.values():
            total = total + np.outer(amount, amount)
        return np.asarray(total)

    def words(self) -> list[list[str]]:
        """For each pair of sources, what they share, in words; empty where nothing is."""

        def of(a: str, b: str) -> str:
            if a == b:
                return ""
            groups = {**self._noise, **self._systematic}
            found = [why for why, members in groups.items() if a in members and b in members]
            i, j = self.names.index(a), self.names.index(b)
            found += [why for why, amount in self.amounts.items() if amount[i] * amount[j] != 0]
            return ", ".join(found)

        return [[of(a, b) for b in self.names] for a in self.names]


def understand_shared(sources: Sequence[Source], given: Mapping[str, Any] | None) -> Shared:
    """What the sources share by their own account, and by the user's.

    Raises
    ------
    InvalidInput
        An unknown source, a systematic that is not stated, or a part of it that is larger than the whole.
    """
    names = [s.name for s in sources]
    noise = {f"the same spectra ({', '.join(sorted(m))})": m for m in _alike(sources, "spectra").values()}
    systematic = {
        f"the same {what} ({', '.join(sorted(m))})": m
        for what, key in (("calibration", "calibration"), ("standards", "standards"))
        for m in _alike(sources, key).values()
    }
    amounts: dict[str, dict[str, float]] = {}
    for why, members in (given or {}).items():
        if not isinstance(members, Mapping | tuple | list | set) or len(members) < 2:
            raise InvalidInput(
                f"shared[{why!r}] names two or more sources that share a systematic, as in ('XANES', 'EELS'), or says how "
                f"much of it, as in {{'XANES': 0.1, 'EELS': 0.1}}; got {members!r}."
            )
        for name in members:
            if name not in names:
                raise InvalidInput(f"shared[{why!r}] names no source {name!r}; {did_you_mean(name, names)}.")
            if not np.isfinite(sources[names.index(name)].systematic.values).any():
                raise InvalidInput(
                    f"shared[{why!r}]: {name!r} states no systematic that could be shared; give systematic={{{name!r}: ...}}."
                )
        if isinstance(members, Mapping):
            amounts[why] = {n: float(a) for n, a in members.items()}
        else:
            systematic[why] = set(members)
    for source in sources:
        parts = float(np.sqrt(sum(a.get(source.name, 0.0) ** 2 for a in amounts.values())))
        if parts and not np.nanmin(source.systematic.values) >= parts * (1 - 1e-9):
            raise InvalidInput(
                f"shared says that {source.name!r} shares {parts:.3g}, and its systematic is only "
                f"{np.nanmin(source.systematic.values):.3g}: give systematic={{{source.name!r}: ...}} or share less."
            )
    return Shared(names, noise, systematic, amounts)


def _alike(sources: Sequence[Source], key: str) -> dict[str, set[str]]:
    """Names of sources for which ``key`` is the same and known."""
    found: dict[str, set[str]] = {}
    for source in sources:
        if getattr(source, key):
            found.setdefault(getattr(source, key), set()).add(source.name)
    return {k: members for k, members in found.items() if len(members) > 1}


def _joined(groups: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Groups that have a member in common, made one: what is shared is shared by all of them."""
    joined: dict[str, set[str]] = {}
    for why, members in groups.items():
        touching = [w for w, m in joined.items() if m & members]
        whole = set(members).union(*(joined.pop(w) for w in touching)) if touching else set(members)
        joined["; ".join([*touching, why])] = whole
    return joined
