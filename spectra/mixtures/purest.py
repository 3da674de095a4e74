"""Where to begin: the spectra of a series that are most likely those of single species."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["extreme_spectra", "simplisma"]

Array = npt.NDArray[np.float64]


def simplisma(spectra: Array, count: int, *, offset: float = 0.05) -> list[int]:
    r"""Rows of ``spectra`` that are purest by SIMPLISMA: of large relative spread, and unlike those chosen before.

    .. math:: p_i = w_i \frac{\sigma_i}{\mu_i + \alpha}

    with mean :math:`\mu_i` and standard deviation :math:`\sigma_i` of a row and the determinant :math:`w_i` of its
    correlations with the rows chosen so far.

    Parameters
    ----------
    spectra : (rows, n) array
    count : int
    offset : float
        :math:`\alpha` as a part of the largest mean: keeps noise from counting as pure.

    Returns
    -------
    list of int

    References
    ----------
    W. Windig & J. Guilment, Anal. Chem. 63, 1425 (1991), doi:10.1021/ac00014a016
    """
    mean, spread = spectra.mean(1), spectra.std(1)
    alpha = offset * np.abs(mean).max()
    length = np.sqrt(mean**2 + (spread + alpha) ** 2)
    scaled = spectra / (length * np.sqrt(spectra.shape[1]))[:, None]
    correlation = scaled @ scaled.T
    chosen: list[int] = []
    for _ in range(count):
        weight = np.empty(len(spectra))
        for i in range(len(spectra)):
            index = [i, *chosen]
            weight[i] = np.linalg.det(correlation[np.ix_(index, index)])
        purity = weight * spread / (np.abs(mean) + alpha)
        purity[chosen] = -np.inf
        chosen.append(int(np.argmax(purity)))
    return chosen


def extreme_spectra(spectra: Array, count: int) -> list[int]:
    """Rows at the corners of the cloud of scores on ``count`` principal components, by successive projection.

    In a series of mixtures whose fractions add up to one, pure spectra are corners.

    References
    ----------
    M. C. U. Araújo et al., Chemom. Intell. Lab. Syst. 57, 65 (2001), doi:10.1016/S0169-7439(01)00119-8
    """
    _, _, vectors = np.linalg.svd(spectra - spectra.mean(0), full_matrices=False)
    scores = (spectra - spectra.mean(0)) @ vectors[: max(count - 1, 1)].T
    chosen = [int(np.argmax((scores**2).sum(1)))]
    left = scores - scores[chosen[0]]
    while len(chosen) < count:
        far = (left**2).sum(1)
        far[chosen] = -1.0
        chosen.append(int(np.argmax(far)))
        direction = left[chosen[-1]]
        size = float(direction @ direction)
        left = left - np.outer(left @ direction, direction) / size if size > 0 else left
    return chosen
