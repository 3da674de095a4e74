"""Symbols of elements and names of absorption edges, as files write them."""

from __future__ import annotations

import re

__all__ = ["edge_name", "element_symbol"]

_SYMBOLS = frozenset(
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr "
    "Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir "
    "Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf".split()
)
_EDGE = re.compile(r"(K|L[123]?|M[1-5]?|N[1-7]?|O[1-7]?|L2,3|L23)$", re.IGNORECASE)


def element_symbol(text: str | None) -> str | None:
    """Symbol of the element that ``text`` names, None if it names none: ``"mn"`` is ``"Mn"``."""
    symbol = (text or "").strip().capitalize()
    return symbol if symbol in _SYMBOLS else None


def edge_name(text: str | None) -> str | None:
    """Name of the absorption edge that ``text`` names, None if it names none: ``"l3"`` is ``"L3"``."""
    edge = (text or "").strip().upper()
    return edge if _EDGE.match(edge) else None
