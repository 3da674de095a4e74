"""Photon energy behind a crystal monochromator from its Bragg angle."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["HC", "photon_energy"]

#: Planck's constant times the speed of light, eV Å (exact in the SI of 2019).
HC = 12398.419843320026


def photon_energy(angle: npt.ArrayLike, spacing: float) -> npt.NDArray[np.float64]:
    r"""Photon energy in eV, :math:`E = hc / (2 d \sin\theta)`.

    Parameters
    ----------
    angle : array
        Bragg angle in rad.
    spacing : float
        Spacing of the reflecting planes in Å.

    Returns
    -------
    array
        NaN where the angle is not between 0 and 180°.

    Examples
    --------
    >>> import numpy as np
    >>> float(np.round(photon_energy(np.deg2rad(17.4145), 3.13551), 1))
    6606.1
    """
    sine = np.sin(np.asarray(angle, float))
    return np.asarray(HC / (2 * spacing * np.where(sine > 0, sine, np.nan)))
