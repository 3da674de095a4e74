"""What other programs hold, as a dataset: larch Groups, HyperSpy signals, pandas DataFrames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["from_foreign"]


def from_foreign(obj: Any) -> xr.Dataset | None:
    """``obj`` as a dataset if it is a larch Group, a HyperSpy signal or a DataFrame; None if it is none of these."""
    module, name = type(obj).__module__, type(obj).__name__
    if name == "Group" and module.partition(".")[0] == "larch":
        from spectra.dataset.larch_group import from_larch_group

        return from_larch_group(obj)
    if hasattr(obj, "axes_manager") and hasattr(obj, "data"):
        from spectra.dataset.hyperspy_signal import from_hyperspy

        return from_hyperspy(obj)
    if name == "DataFrame" and module.partition(".")[0] == "pandas":
        from spectra.dataset.data_frame import from_pandas

        return from_pandas(obj)
    return None
