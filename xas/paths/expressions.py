r"""Expressions of path parameters, as in larch and Artemis: ``alpha*reff``, ``sigma2_debye(300, theta)``.

What belongs to a path is put in as a number: ``reff``, ``degen``, ``nleg``, ``rmass``. The two models of thermal
disorder become plain arithmetic of their arguments, so that the fit engine carries exact derivatives through them:

.. math:: \sigma^2_\mathrm{Einstein} = \frac{\hbar^2}{2 k_B \mu\, \theta} \coth\frac{\theta}{2T}, \qquad
          \langle u_i u_j \rangle = \frac{3\hbar^2}{2 k_B \theta \sqrt{m_i m_j}} \int_0^1
          \frac{\sin(w k_D R_{ij})}{k_D R_{ij}} \coth\frac{w\theta}{2T}\, dw

with the Debye wavenumber :math:`k_D = (9\pi/2)^{1/3} / r_\mathrm{Norman}`. The integral is a sum over fixed points,
in which all pairs of atoms of the path share the same hyperbolic functions.

References
----------
G. Beni & P. M. Platzman, Phys. Rev. B 14, 1514 (1976), doi:10.1103/PhysRevB.14.1514
E. Sevillano, H. Meuth & J. J. Rehr, Phys. Rev. B 20, 4908 (1979), doi:10.1103/PhysRevB.20.4908
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy.constants import atomic_mass, hbar
from scipy.constants import k as boltzmann

from spectra.errors import InvalidInput
from xas.paths.feff import FeffPath

__all__ = ["PATH_NUMBERS", "debye_weights", "path_expression"]

Array = npt.NDArray[np.float64]

#: Names that stand for numbers of the path.
PATH_NUMBERS = ("reff", "degen", "nleg", "rmass")
#: ħ²/(2 k_B) in Å² K u.
EINSTEIN = 1e20 * hbar**2 / (2 * boltzmann * atomic_mass)
#: Points and weights between 0 and 1: enough for paths of 10 Å, the integrand has some five periods there.
_AT, _WEIGHT = (np.polynomial.legendre.leggauss(40)[0] + 1) / 2, np.polynomial.legendre.leggauss(40)[1] / 2


def path_expression(text: str, path: FeffPath, degeneracy: float, names: Mapping[str, str | float]) -> str:
    """``text`` with the path's numbers put in and models of disorder written out.

    Parameters
    ----------
    text : str
        As the user wrote it.
    path : FeffPath
    degeneracy : float
        What ``degen`` stands for.
    names : mapping
        Further names to replace, by another name or a number.

    Raises
    ------
    InvalidInput
        Not an expression, or a model of disorder with other than two arguments.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except SyntaxError as error:
        raise InvalidInput(f"{text!r} is not an expression ({error.msg}).") from None
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    if used & {"rmass", "sigma2_eins", "sigma2_debye"} and not path.atoms:
        raise InvalidInput(f"{text!r} needs the atoms of path {path.name!r}, which are not known.")
    numbers = {"reff": path.reff, "degen": degeneracy, "nleg": float(path.legs)}
    if "rmass" in used:
        numbers["rmass"] = path.reduced_mass
    return ast.unparse(_PutIn({**numbers, **names}, path).visit(tree))


class _PutIn(ast.NodeTransformer):
    def __init__(self, names: Mapping[str, str | float], path: FeffPath) -> None:
        self.names, self.path = names, path

    def visit_Name(self, node: ast.Name) -> ast.expr:
        found = self.names.get(node.id)
        if found is None:
            return node
        return ast.Name(found) if isinstance(found, str) else ast.Constant(found)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        given = [a for a in node.args if not (isinstance(a, ast.Name) and a.id == "feffpath")]
        arguments = [ast.unparse(self.visit(a)) for a in given]
        if name not in {"sigma2_eins", "sigma2_debye"}:
            self.generic_visit(node)
            return node
        if len(arguments) != 2 or node.keywords:
            raise InvalidInput(
                f"{ast.unparse(node)}: {name} takes a temperature and a characteristic temperature in K."
            )
        temperature, theta = arguments
        if name == "sigma2_eins":
            written = f"{EINSTEIN / self.path.reduced_mass!r}/(({theta})*tanh(({theta})/(2*({temperature}))))"
        else:
            weights = debye_weights(self.path)
            terms = (
                f"{w!r}/tanh({a!r}*({theta})/({temperature}))"
                for w, a in zip(weights.tolist(), (_AT / 2).tolist(), strict=True)
            )
            written = f"({'+'.join(terms)})/({theta})"
        return ast.parse(written, mode="eval").body


def debye_weights(path: FeffPath) -> Array:
    r"""Weights :math:`a_i` of the correlated Debye model: :math:`\sigma^2 = \theta^{-1} \sum_i a_i \coth(w_i\theta/2T)`.

    The mean square of the change of half the path's length: over its legs a and b,
    :math:`\tfrac14 \sum_{ab} \langle (\hat e_a \Delta u_a)(\hat e_b \Delta u_b) \rangle`.
    """
    place = np.array([a.place for a in path.atoms])
    count = len(place)
    leg = np.roll(place, -1, axis=0) - place
    direction = leg / np.linalg.norm(leg, axis=1, keepdims=True)
    distance = np.linalg.norm(place[:, None] - place[None], axis=-1)
    phase = (9 * np.pi / 2) ** (1 / 3) / path.norman_radius * distance[..., None] * _AT
    # sin(w x)/x, which is w sinc(w x)
    pair = 3 * EINSTEIN * _WEIGHT * _AT * np.sinc(phase / np.pi)
    pair = pair / np.sqrt(np.outer(path.masses, path.masses))[..., None]
    total = np.zeros(_AT.size)
    for a in range(count):
        for b in range(count):
            c, d = (a + 1) % count, (b + 1) % count
            moved = pair[a, b] + pair[c, d] - pair[a, d] - pair[c, b]
            total += direction[a] @ direction[b] * moved
    return np.asarray(total / 4)
