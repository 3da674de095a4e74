"""Hydrogenic cross-sections of K and L shells for inelastic scattering of electrons (SIGMAK, SIGMAL)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput, did_you_mean
from xas.eels.tables import load_table

__all__ = [
    "CrossSection",
    "cross_section",
    "density",
    "effective_collection_angle",
    "k_strength",
    "l_strength",
    "per_energy",
]

FloatArray = npt.NDArray[np.float64]
Model = Literal["sigmak_sigmal", "sigmal_white_lines"]

_RYDBERG, _REST, _REST_KEV = 13.606, 511060.0, 511.06
#: 4 π a0² in barn.
_BARN = 3.5166e8
_ANGLES, _STEP = 401, 0.25


@dataclass(frozen=True)
class CrossSection:
    """Partial cross-section of a shell, with all that it was computed for."""

    value: float  # barn
    element: str
    shell: str
    width: float  # eV
    onset: float  # eV
    beam_energy: float  # keV
    collection_angle: float  # mrad
    model: str

    def __str__(self) -> str:
        return f"{self.element} {self.shell}: {self.value:.4g} barn ({self.model}, {self.beam_energy:g} keV, {self.collection_angle:g} mrad, {self.width:g} eV from {self.onset:g} eV)"


def cross_section(
    element: str,
    shell: str,
    *,
    beam_energy: float | None,
    collection_angle: float | None,
    width: float,
    onset: float | None = None,
    model: Model = "sigmak_sigmal",
) -> CrossSection:
    r"""Cross-section of a shell, integrated over angles up to the collection angle and ``width`` eV from the onset.

    .. math:: \sigma(\beta, D) = \int_{E_k}^{E_k + D} \frac{4\pi a_0^2 R^2}{T E}
              \int_{\ln Q_0}^{\ln Q_1} \frac{df}{dE}\, d\ln Q\, dE

    Parameters
    ----------
    element : str
        For K: O. For L: Ti, V, Cr, Mn, Fe, Co, Ni, Cu.
    shell : {"K", "L"}
    beam_energy : float
        keV.
    collection_angle : float
        Semi-angle in mrad. The convergence of the beam is left out of account: where it is not much smaller, give the
        :func:`effective_collection_angle`.
    width : float
        eV.
    onset : float, optional
        eV, from which SIGMAL's empirical factor is counted too. Default: that of the table (O K 532, Mn L 640).
    model : {"sigmak_sigmal", "sigmal_white_lines"}
        The second leaves out SIGMAL's empirical factor in the first 20 eV for Z from 18 to 28, as Egerton's SIGMAL3 does
        for the white lines: cross-sections of L shells are 1.2 to 1.6 times those of the first. Never mix the two.

    Returns
    -------
    CrossSection

    Raises
    ------
    InvalidInput
        An element or shell that is not in the table; an energy, angle or width that is not positive.

    Notes
    -----
    The hydrogenic model has no white lines: an O/Mn ratio from it is wrong by up to a factor of two. A factor from a
    standard of known composition comes first.

    References
    ----------
    R. F. Egerton, Electron Energy-Loss Spectroscopy in the Electron Microscope, doi:10.1007/978-1-4419-9583-4

    Examples
    --------
    >>> round(cross_section("O", "K", beam_energy=200.0, collection_angle=30.0, width=50.0).value, -1)
    1170.0
    """
    table = load_table("cross_sections")
    if shell not in ("K", "L"):
        raise InvalidInput(f"shell must be K or L, got {shell!r}.")
    if model not in ("sigmak_sigmal", "sigmal_white_lines"):
        raise InvalidInput(f"model must be sigmak_sigmal or sigmal_white_lines, got {model!r}.")
    known = table[shell]
    if element not in known:
        raise InvalidInput(
            f"no hydrogenic {shell} shell of {element!r} in the table; {did_you_mean(element, known)}."
        )
    beam_energy = _positive("beam_energy", beam_energy, "keV")
    collection_angle = _positive("collection_angle", collection_angle, "mrad")
    width = _positive("width", width, "eV")
    entry = known[element]
    first = float(onset if onset is not None else entry.get("onset", entry.get("l3", 0.0)))
    energy = np.linspace(first, first + width, 2 * round(width / _STEP / 2) + 1 if width > 2 * _STEP else 5)
    values = density(
        energy,
        element,
        shell,
        beam_energy=beam_energy,
        collection_angle=collection_angle,
        onset=first,
        model=model,
    )
    value = float((np.diff(energy) * (values[1:] + values[:-1])).sum() / 2)
    return CrossSection(value, element, shell, width, first, beam_energy, collection_angle, model)


def density(
    energy: FloatArray,
    element: str,
    shell: str,
    *,
    beam_energy: float,
    collection_angle: float,
    onset: float,
    model: Model = "sigmak_sigmal",
) -> FloatArray:
    """Cross-section per eV (barn/eV) of a shell at losses from ``onset`` on, the empirical factor of L shells in it."""
    table = load_table("cross_sections")
    entry = table[shell][element]
    values = per_energy(energy, entry, shell, beam_energy, collection_angle)
    return values * _factor(energy, onset, entry, table["white_lines"], model) if shell == "L" else values


def effective_collection_angle(
    collection_angle: float | None, convergence_angle: float | None, *, beam_energy: float | None, loss: float
) -> float:
    r"""Collection angle of a parallel beam that would catch the same share of an edge as a convergent one does.

    .. math:: \beta^* = \theta_E \sqrt{(1 + \beta^2/\theta_E^2)^{F} - 1}

    with the characteristic angle :math:`\theta_E` of the loss and the share F of Scheinfein and Isaacson for a probe
    that fills its cone evenly and an angular distribution :math:`1/(\theta^2 + \theta_E^2)`. Where the cone is wider than
    the collection F is that of the current inside of the collection, :math:`F \alpha^2/\beta^2`, and :math:`\beta^*`
    exceeds :math:`\beta`.

    Parameters
    ----------
    collection_angle, convergence_angle : float
        Semi-angles in mrad.
    beam_energy : float
        keV.
    loss : float
        eV: the middle of the window, or the onset.

    Returns
    -------
    float
        mrad.

    Raises
    ------
    InvalidInput
        An angle or energy that is missing or not positive.

    References
    ----------
    M. Scheinfein & M. Isaacson, Scanning Electron Microscopy 1984/IV, 1681, as in R. F. Egerton, Electron Energy-Loss
    Spectroscopy in the Electron Microscope, doi:10.1007/978-1-4419-9583-4. The share is under test against direct
    integration.

    Examples
    --------
    >>> round(effective_collection_angle(30.0, 10.0, beam_energy=300.0, loss=560.0), 1)
    29.1
    """
    beta = _positive("collection_angle", collection_angle, "mrad")
    alpha = _positive("convergence_angle", convergence_angle, "mrad")
    energy = 1e3 * _positive("beam_energy", beam_energy, "keV")
    theta = 1e3 * _positive("loss", loss, "eV") * (energy + _REST) / (energy * (energy + 2 * _REST))
    a, b, t = alpha**2, beta**2, theta**2
    share = _collected(a, b, t) * (a / b if a > b else 1.0)
    return float(theta * np.sqrt(np.expm1(share * np.log1p(b / t))))


def _collected(a: float, b: float, t: float) -> float:
    """Share of what a parallel beam would send into the collection; squares of convergence, collection and theta_E."""
    one = np.sqrt((a + b + t) ** 2 - 4 * a * b) - a - b - t
    two = 2 * b * np.log(0.5 / t * (np.sqrt((a + t - b) ** 2 + 4 * b * t) + a + t - b))
    three = 2 * a * np.log(0.5 / t * (np.sqrt((b + t - a) ** 2 + 4 * a * t) + b + t - a))
    return float((one + two + three) / (2 * a * np.log1p(b / t)))


def _positive(name: str, value: float | None, units: str) -> float:
    if value is None or not 0 < value < np.inf:
        raise InvalidInput(
            f"cross_section needs {name} in {units}, a positive number; got {value}. Files that do not say it leave it to you."
        )
    return float(value)


def per_energy(
    energy: FloatArray, entry: dict[str, float], shell: str, beam_energy: float, collection_angle: float
) -> FloatArray:
    """Cross-section per eV (barn/eV) at each energy loss, the empirical factor of L shells apart."""
    gamma = 1 + beam_energy / _REST_KEV
    t = _REST * (1 - gamma**-2) / 2
    q0 = energy**2 / (4 * _RYDBERG * t) + energy**3 / (8 * gamma**3 * _RYDBERG * t**2)
    before = t / (_RYDBERG * (1 - 2 * t / _REST))
    after = before - energy / _RYDBERG * (gamma - energy / (2 * _REST))
    q1 = q0 + 4 * np.sqrt(before * after) * np.sin(collection_angle / 2000) ** 2
    log_q = np.linspace(np.log(q0), np.log(q1), _ANGLES, axis=-1)
    strength = k_strength if shell == "K" else l_strength
    df = strength(energy[:, None], np.exp(log_q), entry)
    step = (log_q[:, 1] - log_q[:, 0])[:, None]
    weights = np.full(_ANGLES, 2.0)  # Simpson's rule
    weights[1::2], weights[0], weights[-1] = 4.0, 1.0, 1.0
    integral = (df * weights * step / 3).sum(axis=-1)
    return np.asarray(_BARN * (_RYDBERG / t) * (_RYDBERG / energy) * integral)


def k_strength(energy: FloatArray, q: FloatArray, entry: dict[str, float]) -> FloatArray:
    """Generalised oscillator strength per eV of a K shell; ``q`` is (q a0)²."""
    zs = entry["z"] - 0.5
    q = q / zs**2
    kappa = energy / (_RYDBERG * zs**2) - 1
    c, d = _coulomb(q, kappa, 1.0, 2.0)
    shape = (q + kappa / 3 + 1 / 3) / ((q - kappa + 1) ** 2 + 4 * kappa) ** 3
    return np.asarray(256 * energy * c * shape / (d * _RYDBERG**2 * zs**4))


def l_strength(energy: FloatArray, q: FloatArray, entry: dict[str, float]) -> FloatArray:
    """Generalised oscillator strength per eV of an L shell, without the empirical factor; ``q`` is (q a0)²."""
    zs = entry["z"] - 0.35 * 7 - 1.7
    q = q / zs**2
    k = energy / (_RYDBERG * zs**2) - 0.25
    c, d = _coulomb(q, k, 0.25, 1.0)
    p = (q - k + 0.25) ** 2 + k
    low = (
        2.25 * q**4
        - (0.75 + 3 * k) * q**3
        + (0.59375 - 0.75 * k - 0.5 * k**2) * q**2
        + (0.11146 + 0.85417 * k + 1.8833 * k**2 + k**3) * q
        + 0.0035807 + k / 21.333 + k**2 / 4.5714 + k**3 / 2.4 + k**4 / 4
    ) / p**5  # fmt: skip
    high = (
        q**3
        - (5 * k / 3 + 11 / 12) * q**2
        + (k**2 / 3 + 1.5 * k + 65 / 48) * q
        + k**3 / 3 + 0.75 * k**2 + 23 * k / 48 + 5 / 64
    ) / p**4  # fmt: skip
    g = np.where(energy <= entry["l1"], low, high)
    return np.asarray(32 * g * c * energy / (d * _RYDBERG**2 * zs**4))


def _coulomb(q: FloatArray, kappa: FloatArray, shift: float, scale: float) -> tuple[FloatArray, FloatArray]:
    """The factors of the Coulomb wave above (kappa > 0) and below its threshold."""
    a = np.sqrt(np.abs(kappa))
    above = kappa > 0
    base = q - kappa + shift
    with np.errstate(divide="ignore", invalid="ignore"):
        angle = np.arctan2(scale * a, base)  # in [0, π]
        ratio = np.log((q + shift - kappa + scale * a) / (q + shift - kappa - scale * a))
        c = np.where(above, np.exp(-2 / a * angle), np.exp(-ratio / a))
        d = np.where(above, -np.expm1(-2 * np.pi / a), 1.0)
    return c, d


def _factor(
    energy: FloatArray, edge: float, entry: dict[str, float], rule: dict[str, Any], model: str
) -> FloatArray:
    """SIGMAL's empirical factor, counted from the edge, or one where the rule for white lines leaves it out."""
    factor = np.asarray(((energy + 0.1 - edge) / (1.8 * entry["z"] ** 2)) ** entry["factor"])
    low, high = rule["z"]
    if model == "sigmal_white_lines" and low <= entry["z"] <= high:
        return np.where(energy - edge <= rule["reach"], 1.0, factor)
    return factor
