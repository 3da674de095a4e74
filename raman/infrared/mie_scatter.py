r"""Scattering by absorbing spheres taken off infrared spectra of cells and particles (ME-EMSC).

The extinction of an absorbing sphere in van de Hulst's approximation,

.. math::

    Q = 2 - 4 e^{-\rho\tan\beta} \frac{\cos\beta}{\rho} \sin(\rho - \beta)
        - 4 e^{-\rho\tan\beta} \Big(\frac{\cos\beta}{\rho}\Big)^2 \cos(\rho - 2\beta)
        + 4 \Big(\frac{\cos\beta}{\rho}\Big)^2 \cos 2\beta,

is computed for many sizes and indices, with the absorption of the reference and its Kramers-Kronig transform in the
index; the principal components of these curves are fitted with the reference. The corrected spectrum is the next
reference, until the residual stays.

J. H. Solheim et al., J. Biophotonics 12, e201800415 (2019), doi:10.1002/jbio.201800415.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["MieCorrected", "Spheres", "component_count", "extinction_curves", "mie_corrected"]

FloatArray = npt.NDArray[np.float64]

#: Points that the reference is prolonged by at either end for the Kramers-Kronig transform.
_PROLONGED = 200
#: Part of the variance of the curves that the components hold.
_EXPLAINED = 0.9996
#: Most components that are looked at.
_MOST = 30
#: Decimals to which residuals are compared.
_DECIMALS = 4
_PER_M = 100.0  # 1/cm in 1/m


@dataclass(frozen=True)
class Spheres:
    """Range of spheres: radii in um, indices, the part of the largest absorption that the reference stands for."""

    radius: tuple[float, float] = (2.0, 7.1)
    index: tuple[float, float] = (1.1, 1.4)
    scale: float = 0.25
    number: int = 10

    def optical(self) -> tuple[FloatArray, FloatArray]:
        """Phase factors in m and their strengths of absorption, for every pair of them, as columns."""
        n0 = np.linspace(*self.index, self.number)
        a = np.linspace(*self.radius, self.number) * 1e-6
        alpha = 4 * np.pi * a * (n0 - 1)
        gamma = self.scale * np.log(10) / (4 * np.pi * 0.5 * np.pi * (n0 - 1) * a)
        both = np.meshgrid(alpha, gamma, indexing="ij")
        return both[0].reshape(-1, 1), both[1].reshape(-1, 1)


@dataclass(frozen=True)
class MieCorrected:
    """A corrected spectrum, the scattering that was taken off, the scale of the reference, and how it went."""

    corrected: FloatArray  # (n,)
    scattering: FloatArray  # (n,) constant and curves
    scale: float
    rms: float  # of the residual
    iterations: int
    converged: bool


def extinction_curves(wavenumber: FloatArray, absorption: FloatArray, spheres: Spheres) -> FloatArray:
    """Extinction of every sphere (m, n) with the absorption (n,), not negative, of the reference."""
    from scipy.signal import hilbert

    nu = wavenumber * _PER_M
    step = wavenumber[1] - wavenumber[0]
    further = step * np.arange(1, _PROLONGED + 1)
    longer = np.concatenate([wavenumber[0] - further[::-1], wavenumber, wavenumber[-1] + further]) * _PER_M
    held = np.concatenate(
        [np.full(_PROLONGED, absorption[0]), absorption, np.full(_PROLONGED, absorption[-1])]
    )
    imaginary = absorption / nu
    real = -np.imag(hilbert(held / longer))[_PROLONGED:-_PROLONGED]
    alpha, gamma = spheres.optical()
    rho = alpha * (1 + gamma * real) * nu
    tangent = imaginary / (1 / gamma + real)
    beta = np.arctan(tangent)
    part = np.cos(beta) / rho
    fading = np.exp(-rho * tangent)
    return np.asarray(
        2 - 4 * fading * part * np.sin(rho - beta) - 4 * fading * part**2 * np.cos(rho - 2 * beta)
        + 4 * part**2 * np.cos(2 * beta)
    )  # fmt: skip


def component_count(wavenumber: FloatArray, reference: FloatArray, spheres: Spheres) -> int:
    """Components that hold 99.96 % of the variance of the curves."""
    curves = _beside(extinction_curves(wavenumber, np.maximum(reference, 0), spheres), reference)
    strength = np.linalg.svd(curves, compute_uv=False)[:_MOST] ** 2
    return int(np.argmax(np.cumsum(strength) / strength.sum() > _EXPLAINED)) + 1


def _beside(curves: FloatArray, reference: FloatArray) -> FloatArray:
    """Curves without what they have of the reference."""
    unit = reference / np.linalg.norm(reference)
    return np.asarray(curves - np.outer(curves @ unit, unit))


def mie_corrected(
    wavenumber: FloatArray,
    spectrum: FloatArray,
    reference: FloatArray,
    *,
    components: int | None = None,
    max_iterations: int = 30,
    spheres: Spheres | None = None,
) -> MieCorrected:
    """Absorbance of one spectrum without the scattering of spheres.

    Parameters
    ----------
    wavenumber : (n,) array
        In 1/cm, ascending in even steps.
    spectrum, reference : (n,) array
        Measured absorbance, and a pure absorbance much like what is looked for; its negative values count as zero.
    components : int, optional
        Of the curves. Default: as many as hold 99.96 % of their variance.
    max_iterations : int
        It ends before where the residual, to 4 decimals, stayed twice or grew.
    spheres : Spheres, optional
        Sizes and indices.
    """
    spheres = spheres or Spheres()
    positive = np.maximum(reference, 0)
    number = components or component_count(wavenumber, reference, spheres)
    middle = 0.5 * (wavenumber[0] + wavenumber[-1])
    u = 2 * (wavenumber - middle) / (wavenumber[-1] - wavenumber[0])
    plain = np.stack([np.ones_like(u), u, u**2, positive], -1)
    made = _step(wavenumber, spectrum, positive, number, spheres)
    history = [round(made.rms, _DECIMALS)]
    for iteration in range(2, max_iterations + 1):
        terms = np.linalg.lstsq(plain, made.corrected, rcond=None)[0]
        if not np.isfinite(terms).all() or terms[3] == 0:
            break
        scaled = (made.corrected - plain[:, :3] @ terms[:3]) / terms[3]
        made = _step(wavenumber, spectrum, np.maximum(scaled, 0), number, spheres, iteration)
        history.append(round(made.rms, _DECIMALS))
        if iteration > 2 and (history[-1] == history[-2] == history[-3] or history[-1] > history[-2]):
            return MieCorrected(**{**vars(made), "converged": True})
    return made


def _step(
    wavenumber: FloatArray, spectrum: FloatArray, reference: FloatArray, number: int, spheres: Spheres,
    iteration: int = 1,
) -> MieCorrected:  # fmt: skip
    lost = MieCorrected(
        np.full(spectrum.shape, np.nan), np.full(spectrum.shape, np.nan), np.nan, np.nan, iteration, False
    )
    if not np.isfinite(reference).all() or not (reference > 0).any():
        return lost
    with np.errstate(all="ignore"):
        curves = _beside(extinction_curves(wavenumber, reference, spheres), reference)
    if not np.isfinite(curves).all():
        return lost
    loadings = np.linalg.svd(curves, full_matrices=False)[2][:number]
    model = np.column_stack([np.ones_like(wavenumber), loadings.T, reference])
    terms = np.linalg.lstsq(model, spectrum, rcond=None)[0]
    scattering = model[:, :-1] @ terms[:-1]
    residual = spectrum - scattering - terms[-1] * reference
    if terms[-1] == 0:
        return lost
    return MieCorrected(
        (spectrum - scattering) / terms[-1], scattering, float(terms[-1]), float(np.sqrt(np.mean(residual**2))),
        iteration, False,
    )  # fmt: skip
