"""``dataset.spectra``: what a user does with any dataset of spectra."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from spectra.verbs import history

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from spectra.findings import Audit

__all__ = ["SpectraAccessor"]


@xr.register_dataset_accessor("spectra")  # type: ignore[no-untyped-call]
class SpectraAccessor:
    """Plot, table, save, report and history of a dataset of spectra."""

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    def __repr__(self) -> str:
        from spectra.notebook.pages import dataset_text

        return dataset_text(self._dataset)

    def _repr_html_(self) -> str:
        from spectra.notebook.pages import dataset_html

        return dataset_html(self._dataset)

    @property
    def history(self) -> list[dict[str, Any]]:
        """Every verb that made this dataset, in order, with its options and what it noted."""
        return history(self._dataset)

    @property
    def flags(self) -> pd.DataFrame:
        """One row per flag that was raised: name, severity, number of spectra, explanation."""
        from spectra.dataset.flags import flag_table

        return flag_table(self._dataset)

    def table(self) -> pd.DataFrame:
        """Tidy results: one row per spectrum and component, values and their ``_sigma`` in columns."""
        from spectra.results.table import tidy_table

        return tidy_table(self._dataset)

    def audit(self) -> Audit | None:
        """What is questionable about the fit, by the rules of its technique; None where there is nothing to judge."""
        from spectra.findings import audit_of

        return audit_of(self._dataset)

    def plot(self, variable: str | None = None, *, ax: Axes | None = None, **index: int | str) -> Axes:
        """Draw the figure the field expects; ``index`` picks spectra as ``Dataset.isel`` does, or by a name."""
        from spectra.report.figures import plot

        return plot(self._dataset, variable, ax=ax, **index)

    def save(self, path: str | Path, **options: Any) -> Path:
        """Write a NeXus file; options as in :func:`spectra.save`."""
        from spectra.results import save

        return save(path, self._dataset, **options)

    def report(self, path: str | Path) -> Path:
        """Write a self-contained HTML report."""
        from spectra.report import write_report

        return write_report(path, self._dataset)
