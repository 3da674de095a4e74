"""The fit panel, opened: the widgets are loaded only when somebody asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spectra.errors import SpectraError

if TYPE_CHECKING:
    import xarray as xr

    from spectra.fitting.engine import Weights
    from spectra.notebook.panel import FitPanel

__all__ = ["fit_panel"]


def fit_panel(
    dataset: xr.Dataset,
    model: Any = None,
    params: Any = None,
    *,
    variable: str | None = None,
    weights: Weights = "auto",
    **index: int,
) -> FitPanel:
    """Fit by hand in a notebook: move, add, keep and tie components, watch χ² and audit, take the recipe.

    Parameters
    ----------
    dataset : xarray.Dataset
        Spectra of any technique. Where they were fitted before (``spectra.fit``, ``xps.deconvolve``,
        ``raman.fit_bands``), the panel begins with that fit.
    model, params : optional
        As in :func:`spectra.fit`.
    variable : str, optional
        What is fitted. Default: what the last fit took, else ``net`` where a background was subtracted, else the
        measured quantity.
    weights : {"auto", "sigma", "poisson", "none"}
        As in :func:`spectra.fit`.
    **index : int
        Which spectrum of a series comes first, as in ``Dataset.isel``.

    Returns
    -------
    FitPanel
        A widget; ``panel.session`` is the :class:`spectra.notebook.FitSession` behind it, which does all of this
        without a screen, and ``panel.session.to_recipe()`` the text that ``spectra run`` takes.

    Raises
    ------
    SpectraError
        If ipywidgets is not installed.
    InvalidInput
        As the session raises it: unknown variable, shape, parameter or spectrum.
    """
    try:
        import ipywidgets  # noqa: F401
    except ImportError:
        raise SpectraError(
            "the fit panel needs ipywidgets: pip install 'redox-spectra[notebook]'. "
            "Without a screen, spectra.notebook.FitSession does the same."
        ) from None
    from spectra.notebook.panel import FitPanel
    from spectra.notebook.session import FitSession

    return FitPanel(FitSession(dataset, model, params, variable=variable, weights=weights, **index))
