"""The widgets of the fit panel: they call the session, and show what it says."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from spectra.errors import SpectraError
from spectra.fitting.shapes import list_shapes
from spectra.fitting.spec import Setting
from spectra.notebook.pages import audit_html, sentence_html, table_html
from spectra.notebook.session import FitSession
from spectra.report import style

__all__ = ["FitPanel"]

_WIDE = widgets.Layout(width="100%")
_SMALL = widgets.Layout(width="110px")


class FitPanel(widgets.VBox):  # type: ignore[misc]
    """Figure, components with their parameters, quality of the fit, audit and recipe of one session."""

    def __init__(self, session: FitSession) -> None:
        self.session = session
        self._busy = False
        self.figure = widgets.Image(format="png", layout=widgets.Layout(width="560px"))
        self.quality = widgets.HTML()
        self.message = widgets.HTML()
        self.audit = widgets.HTML()
        self.recipe = widgets.Textarea(layout=widgets.Layout(width="100%", height="220px"), disabled=True)
        self.component = widgets.Dropdown(description="component")
        self.shape = widgets.Dropdown(
            options=sorted(list_shapes()), value="voigt", layout=widgets.Layout(width="160px")
        )
        self.rows = widgets.VBox()
        self.buttons = {name: widgets.Button(description=name, layout=_SMALL) for name in _BUTTONS}
        self.place = {
            dim: widgets.IntSlider(
                value=i, min=0, max=session.dataset.sizes[dim] - 1, description=dim, continuous_update=False
            )
            for dim, i in session.index.items()
        }
        for name, act in _BUTTONS.items():
            self.buttons[name].on_click(lambda _, act=act: self._do(lambda: act(self)))
        for dim, slider in self.place.items():
            slider.observe(lambda change, dim=dim: self._do(lambda: session.choose(**{dim: change["new"]})), "value")  # fmt: skip
        self.component.observe(lambda _: self._do(lambda: None), "value")
        folded = widgets.Accordion([self.audit, self.recipe], titles=("audit", "recipe"), layout=_WIDE)
        controls = widgets.VBox(
            [
                *self.place.values(),
                widgets.HBox([self.buttons["fit"], self.buttons["undo"], self.quality]),
                widgets.HBox([self.shape, self.buttons["add"], self.buttons["remove"]]),
                self.component,
                self.rows,
                self.message,
            ]
        )
        super().__init__([widgets.HBox([self.figure, controls]), folded])
        self.refresh()

    def refresh(self) -> None:
        """Show the session as it stands."""
        self._busy = True
        try:
            session = self.session
            for dim, i in session.index.items():
                self.place[dim].value = i
            chosen = self.component.value
            names = session.components
            self.component.options = names
            self.component.value = chosen if chosen in names else (names[-1] if names else None)
            self.rows.children = self._parameter_rows()
            self.figure.value = style.png(session.plot(), dpi=120)
            self.quality.value = _quality(session)
            found = session.audit()
            self.audit.value = audit_html(found) if found else sentence_html(
                "Nothing to judge: fit first." if session.fitted is None else "No rules for this technique."
            )  # fmt: skip
            self.recipe.value = session.to_recipe() if names else ""
        finally:
            self._busy = False

    def _do(self, act: Callable[[], Any]) -> None:
        """One change by the user; what cannot be done is said, and nothing has changed then."""
        if self._busy:
            return
        said = ""
        try:
            act()
        except SpectraError as error:
            said = sentence_html(str(error), "warning")
        self.message.value = said
        self.refresh()

    def _parameter_rows(self) -> tuple[Any, ...]:
        name = self.component.value
        if name is None:
            return ()
        values = self.session.values
        prefix = self.session.model.components[self.session.components.index(name)].prefix
        return tuple(
            self._row(name, parameter, setting, values[prefix + parameter])
            for parameter, setting in self.session.parameters(name).items()
        )

    def _row(self, name: str, parameter: str, setting: Setting, value: float) -> Any:
        session, tied = self.session, bool(setting.expr)
        low, high = _reach(setting, value)
        slider = widgets.FloatSlider(
            value=value, min=low, max=high, step=(high - low) / 500, description=parameter, disabled=tied,
            continuous_update=False, readout=False, layout=widgets.Layout(width="260px"),
        )  # fmt: skip
        number = widgets.FloatText(value=float(f"{value:.7g}"), disabled=tied, layout=_SMALL)
        kept = widgets.Checkbox(
            value=not setting.vary and not tied, description="fixed", indent=False, disabled=tied,
            layout=widgets.Layout(width="70px"),
        )  # fmt: skip
        tie = widgets.Text(
            value=setting.expr or "", placeholder="tie, e.g. a_fwhm * 1.1", continuous_update=False,
            layout=widgets.Layout(width="190px"),
        )  # fmt: skip

        def move(change: Any) -> None:
            self._do(lambda: session.move(name, **{parameter: change["new"]}))

        def keep(change: Any) -> None:
            self._do(lambda: (session.fix if change["new"] else session.free)(name, parameter))

        def follow(change: Any) -> None:
            self._do(lambda: session.tie(name, parameter, change["new"]) if change["new"].strip() else session.free(name, parameter))  # fmt: skip

        slider.observe(move, "value")
        number.observe(move, "value")
        kept.observe(keep, "value")
        tie.observe(follow, "value")
        return widgets.HBox([slider, number, kept, tie])


def _reach(setting: Setting, value: float) -> tuple[float, float]:
    """Where a slider goes: the limits, and where there are none three times the value."""
    span = 3 * abs(value) or 1.0
    low = setting.min if math.isfinite(setting.min) else min(-span, value)
    high = setting.max if math.isfinite(setting.max) else max(span, value)
    return (low, high) if high > low else (low - 1, low + 1)


def _quality(session: FitSession) -> str:
    if not session.components:
        return sentence_html("No component yet.")
    one = session.quality
    about = "fitted" if session.fitted is not None else "drawn, not fitted"
    return table_html(
        ["", "χ²", "reduced χ²", "AICc", "free"],
        [[about, f"{one.chi2:.6g}", f"{one.redchi:.4g}", f"{one.aicc:.6g}", str(one.free)]],
    )


def _remove(panel: FitPanel) -> None:
    if panel.component.value is not None:
        panel.session.remove(panel.component.value)


def _add(panel: FitPanel) -> None:
    shape = panel.shape.value
    name = panel.session.add(shape, degree=1 if shape == "polynomial" else None)
    panel._busy = True  # the new one is shown
    panel.component.options = panel.session.components
    panel.component.value = name
    panel._busy = False


_BUTTONS: dict[str, Callable[[FitPanel], Any]] = {
    "fit": lambda panel: panel.session.fit(),
    "undo": lambda panel: panel.session.undo(),
    "add": _add,
    "remove": _remove,
}
