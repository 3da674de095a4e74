"""Errors of a normalised spectrum that all of its points share, because pre-edge line and edge step were fitted once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["shared_errors"]

Array = npt.NDArray[np.float64]


def shared_errors(x: Array, y: Array, total: Array, own: Array, where: Array | None = None) -> Array:
    r"""Errors that all points of a normalised spectrum share: of pre-edge line (two numbers) and edge step.

    To first order :math:`\delta n = -(\delta p_0 + \delta p_1 x + n\,\delta S)/S`, so the part of the variance that is not
    the points' own is a quadratic form in 1, x and n. Its six coefficients are read off that part, of all points or of
    those where ``where`` is 1 and not 0.

    Returns
    -------
    (..., 3, n) array
        Three independent errors, each at its standard deviation.
    """
    extra = np.nan_to_num(total**2 - own**2)
    modes = np.stack(
        [np.ones(y.shape), np.broadcast_to((x - x.mean()) / np.ptp(x), y.shape), np.nan_to_num(y)], axis=-2
    )
    pairs = [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)]
    design = np.stack([modes[..., i, :] * modes[..., j, :] * (1 + (i != j)) for i, j in pairs], axis=-1)
    turned = np.swapaxes(design if where is None else design * where[..., None], -1, -2)
    found = (np.linalg.pinv(turned @ design, rcond=1e-13, hermitian=True) @ (turned @ extra[..., None]))[
        ..., 0
    ]
    covariance = np.zeros((*y.shape[:-1], 3, 3))
    for c, (i, j) in enumerate(pairs):
        covariance[..., i, j] = covariance[..., j, i] = found[..., c]
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.clip(values, 0, None))[..., None, :]
    return np.asarray(np.swapaxes(root, -1, -2) @ modes)
