"""A fit made by hand, without a screen: components are put in, moved, kept and tied, and every change can be undone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import as_dataset, series_dims, spectral_axis
from spectra.errors import InvalidInput, did_you_mean
from spectra.fitting.arrays import criteria, weighted_rows
from spectra.fitting.engine import Weights, chosen_weights, fit
from spectra.fitting.shapes import shape as find_shape
from spectra.fitting.spec import Model, Setting, defaults
from spectra.fitting.understand import read_model
from spectra.notebook import edits
from spectra.notebook.earlier import before_fits, by_parameter, ended, fitted_variable, last_fit, titles

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes

    from spectra.findings import Audit

__all__ = ["FitSession", "Quality"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Quality:
    """How well a model describes a spectrum: of what is drawn, fitted or not."""

    chi2: float
    redchi: float
    aicc: float
    points: int
    free: int


@dataclass(frozen=True)
class _State:
    model: Model
    index: tuple[tuple[str, int], ...]
    fitted: xr.Dataset | None = None
    start: Model | None = None  # what the fit started from


class FitSession:
    """One model on one spectrum at a time, changed step by step.

    Parameters
    ----------
    dataset : xarray.Dataset
        Spectra of any technique. Where they were fitted before, the session goes on from that fit.
    model, params : optional
        As in :func:`spectra.fit`. Default: the model of the last fit, with the values it ended with; none where
        nothing was fitted.
    variable : str, optional
        What is fitted. Default: what the last fit took, else ``net`` where a background was subtracted, else the
        measured quantity.
    weights : {"auto", "sigma", "poisson", "none"}
        As in :func:`spectra.fit`.
    **index : int
        Which spectrum of a series, as in ``Dataset.isel``. Default: the first.

    Examples
    --------
    >>> import numpy as np, spectra
    >>> from spectra.notebook import FitSession
    >>> x = np.linspace(400, 800, 201)
    >>> lines = {"a": {"shape": "lorentzian", "position": 590.0, "area": 900.0, "fwhm": 20.0}}
    >>> session = FitSession(spectra.simulate(x, lines, background=10.0, axis="raman_shift"))
    >>> session.add("lorentzian", name="a", position=600.0)
    'a'
    >>> session.add("polynomial", name="floor", degree=0)
    'floor'
    >>> fitted = session.fit()
    >>> round(session.values["a_position"], 1)
    590.0
    """

    def __init__(
        self,
        dataset: xr.Dataset,
        model: Any = None,
        params: Any = None,
        *,
        variable: str | None = None,
        weights: Weights = "auto",
        **index: int,
    ) -> None:
        data = as_dataset(dataset, verb="a fit session")
        last = last_fit(data)
        written = Model((), {}) if model is None else read_model(model, params)
        self.variable = variable or fitted_variable(data, last)
        self.axis = spectral_axis(data)
        self._steps, self.dataset = before_fits(data, self.variable)
        if self.variable not in self.dataset or self.axis not in self.dataset[self.variable].dims:
            raise InvalidInput(f"there is no variable {self.variable!r} along {self.axis} to fit.")
        self.weights: Weights = weights
        place = self._place(index)
        if model is None and last is not None:
            written = ended(data, last, dict(place))
        self._state = _State(written, place)
        self._titles = titles(data, written) if model is None else {}
        self._past: list[_State] = []

    @property
    def model(self) -> Model:
        """Components and settings as they stand."""
        return self._state.model

    @property
    def index(self) -> dict[str, int]:
        """Which spectrum of the series is fitted."""
        return dict(self._state.index)

    @property
    def components(self) -> tuple[str, ...]:
        """Names of the components."""
        return edits.labels(self.model)

    @property
    def values(self) -> dict[str, float]:
        """Value of every parameter, of tied ones what their expressions come to."""
        return edits.values_of(self.model)

    @property
    def fitted(self) -> xr.Dataset | None:
        """The fit of what stands; None after a change."""
        return self._state.fitted

    def parameters(self, component: str) -> dict[str, Setting]:
        """Settings of the parameters of one component by their own names."""
        one = edits.component(self.model, component)
        names = defaults(one)
        return {name.removeprefix(one.prefix): self.model.settings[name] for name in names}

    def table(self) -> pd.DataFrame:
        """One row per parameter: component, value, uncertainty where fitted, limits, whether kept, tie."""
        import pandas as pd

        values = self.values
        sigma = by_parameter(self.fitted, "best_value_sigma")
        rows = [
            {
                "component": name,
                "parameter": own,
                "value": values[full],
                "sigma": sigma.get(full, math.nan),
                "min": setting.min,
                "max": setting.max,
                "fixed": not setting.vary and not setting.expr,
                "tie": setting.expr or "",
            }
            for name in self.components
            for own, setting in self.parameters(name).items()
            for full in [edits.full_name(self.model, name, own)]
        ]
        columns = ["component", "parameter", "value", "sigma", "min", "max", "fixed", "tie"]
        return pd.DataFrame(rows, columns=columns)

    def add(self, shape: str, *, name: str | None = None, degree: int | None = None, **values: float) -> str:
        """Put in a component of a registered shape and return its name; values that are not given are guessed.

        A peak is put where most is left over. ``background=`` of :func:`spectra.fitting.shape_model` is for models
        handed to the session.
        """
        found = find_shape(shape)
        chosen = name or self._free_name("peak" if found.peak else shape)
        if not chosen.isidentifier():
            raise InvalidInput(
                f"a component's name is a word of letters, digits and underscores, got {chosen!r}."
            )
        table = {"shape": shape, "prefix": f"{chosen}_", **({} if degree is None else {"degree": degree})}
        for parameter in values:
            if parameter not in found.names:
                raise InvalidInput(
                    f"{shape} has no parameter {parameter!r}; {did_you_mean(parameter, found.names)}."
                )
        guessed = self._guess(found.names) if found.peak else {}
        start: dict[str, dict[str, float]] = guessed | {
            p: {**guessed.get(p, {}), "value": float(v)} for p, v in values.items()
        }
        named = {f"{chosen}_{p}": given for p, given in start.items()}
        self._go(edits.with_component(self.model, table, named))
        return chosen

    def remove(self, component: str) -> None:
        """Take a component out."""
        self._go(edits.without(self.model, component))

    def move(self, component: str, **values: float) -> None:
        """Give parameters of a component other values: ``move("a", position=641.2)``."""
        settings = {}
        for parameter, value in values.items():
            name, setting = self._setting(component, parameter)
            if setting.expr:
                raise InvalidInput(f"{name} is tied to {setting.expr!r}: free it before it is moved.")
            settings[name] = replace(setting, value=float(value))
        self._go(edits.changed(self.model, settings))

    def fix(self, component: str, *parameters: str) -> None:
        """Keep parameters at their values; without names, all of the component."""
        self._each(component, parameters, lambda setting, value: replace(setting, value=value, vary=False, expr=None))  # fmt: skip

    def free(self, component: str, *parameters: str) -> None:
        """Let a fit vary parameters that were kept or tied; without names, all of the component."""
        self._each(component, parameters, lambda setting, value: replace(setting, value=value, vary=True, expr=None))  # fmt: skip

    def limit(self, component: str, parameter: str, low: float = -math.inf, high: float = math.inf) -> None:
        """Limits inside which a parameter is fitted."""
        name, setting = self._setting(component, parameter)
        if not low < high:
            raise InvalidInput(
                f"limits of {name}: the lower one, {low:g}, must lie below the upper, {high:g}."
            )
        self._go(edits.changed(self.model, {name: replace(setting, min=float(low), max=float(high))}))

    def tie(self, component: str, parameter: str, expression: str) -> None:
        """Let a parameter follow others: ``tie("b", "fwhm", "a_fwhm * 1.1")``."""
        name, setting = self._setting(component, parameter)
        if not expression.strip():
            raise InvalidInput(
                f"{name} is tied to nothing: write an expression such as 'a_fwhm', or free it."
            )
        tied = replace(setting, value=math.nan, vary=True, expr=expression.strip())
        self._go(edits.changed(self.model, {name: tied}))

    def choose(self, **index: int) -> None:
        """Go to another spectrum of the series with the model as it stands."""
        self._go(self.model, self._place({**self.index, **index}))

    def undo(self) -> bool:
        """Take the last change back; False where there is none."""
        if not self._past:
            return False
        self._state = self._past.pop()
        return True

    def fit(self) -> xr.Dataset:
        """Fit the chosen spectrum with :func:`spectra.fit` from the values as they stand, which become the fitted ones."""
        model, params = self._tables()
        made = fit(
            self._one(), model=model, params=params, variable=self.variable, weights=self.weights, workers=1
        )
        arrived = edits.at_values(self.model, by_parameter(made, "best_value"))
        self._past.append(self._state)
        self._state = _State(arrived, self._state.index, made, self.model)
        return made

    def curves(self) -> xr.Dataset:
        """The spectrum with the components as they stand: the fit, or after a change a drawing of the model."""
        if self.fitted is not None:
            return self.fitted
        one = self._one()
        x = one[self.axis].values
        drawn = edits.curves_of(self.model, x)
        total = np.sum(list(drawn.values()), axis=0) if drawn else np.zeros(x.size)
        units = one[self.variable].attrs.get("units", "")
        peaks = [c.source == "shape" and find_shape(c.name).peak for c in self.model.components]
        heights = [
            float(np.nanmax(y)) if peak else np.nan for y, peak in zip(drawn.values(), peaks, strict=True)
        ]
        curves = np.array(list(drawn.values())).reshape(len(drawn), x.size)
        earlier = [n for n, v in one.variables.items() if {"component", "parameter"} & set(v.dims)]
        return (
            one.drop_vars(earlier)
            .assign(
                best_fit=(self.axis, total, {"units": units}),
                residual=(self.axis, np.asarray(one[self.variable].values, float) - total, {"units": units}),
                component_curve=(("component", self.axis), curves, {"units": units}),
                height=("component", np.array(heights, float), {"units": units}),
            )
            .assign_coords(component=list(drawn))
        )

    @property
    def quality(self) -> Quality:
        """χ², reduced χ² and AICc of what is drawn, with the weights of the fit."""
        one, drawn = self._one(), self.curves()
        y = np.asarray(one[self.variable].values, float)
        curve = np.asarray(drawn["best_fit"].values, float)
        weights = self._weights()
        sigma = None
        if weights == "sigma":
            sigma = np.asarray(one[f"{self.variable}_sigma"].values, float)
        elif weights == "poisson":
            sigma = np.sqrt(np.maximum(curve, 1.0))
        rows, weight = weighted_rows(y, sigma, False)
        used = (weight[0] > 0) & np.isfinite(curve)
        chi2 = float(np.sum(((rows[0] - curve)[used] * weight[0][used]) ** 2))
        free = sum(s.vary and not s.expr for s in self.model.settings.values())
        points = int(used.sum())
        redchi, aicc, _ = criteria(np.array(chi2), np.array(points), free, weights != "none")
        return Quality(chi2, float(redchi), float(aicc), points, free)

    def audit(self) -> Audit | None:
        """What the rules of the technique find questionable about the fit; None before a fit or without rules."""
        from spectra.findings import audit_of

        return None if self.fitted is None else audit_of(self._titled(self.fitted))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the spectrum, the components as they stand and what is left over."""
        from spectra.report.figures import plot

        return plot(self._titled(self.curves()), "best_fit" if self.components else self.variable, ax=ax)

    def to_recipe(self, *, title: str = "") -> str:
        """A recipe for ``spectra run``: what was done to the spectra before, and this fit.

        It starts where the fit in the session started, so that it ends with the same numbers; of a series it fits
        every spectrum.
        """
        from spectra.pipeline.from_history import recipe_text

        model, params = self._tables(self._state.start)
        options = {"model": model, "params": params, "variable": self.variable, "weights": self._weights()}
        return recipe_text([*self._steps, {"verb": "spectra.fit", "options": options}], title=title)

    def _tables(self, model: Model | None = None) -> tuple[Any, Any]:
        if not self.components:
            raise InvalidInput('the model has no component yet: add("voigt") puts one in.')
        return (self.model if model is None else model).to_tables()

    def _one(self) -> xr.Dataset:
        return self.dataset.isel(self.index)

    def _go(self, model: Model, index: tuple[tuple[str, int], ...] | None = None) -> None:
        self._past.append(self._state)
        self._state = _State(model, self._state.index if index is None else index)

    def _titled(self, drawn: xr.Dataset) -> xr.Dataset:
        """With the components called as the fit that the session began with called them: ``Mn3+ 2p3/2``."""
        names = [self._titles.get(str(name), str(name)) for name in drawn["component"].values]
        return drawn.assign_coords(component=names)

    def _setting(self, component: str, parameter: str) -> tuple[str, Setting]:
        name = edits.full_name(self.model, component, parameter)
        return name, self.model.settings[name]

    def _each(self, component: str, parameters: tuple[str, ...], change: Any) -> None:
        values = self.values
        names = [edits.full_name(self.model, component, p) for p in parameters or self.parameters(component)]
        self._go(edits.changed(self.model, {n: change(self.model.settings[n], values[n]) for n in names}))

    def _place(self, index: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
        dims = [d for d in series_dims(self.dataset) if d in self.dataset[self.variable].dims]
        for dim, i in index.items():
            if dim not in dims:
                raise InvalidInput(f"there is no series dimension {dim!r}; {did_you_mean(dim, dims)}.")
            if not -self.dataset.sizes[dim] <= i < self.dataset.sizes[dim]:
                raise InvalidInput(
                    f"{dim} = {i} is outside the series: it holds {self.dataset.sizes[dim]} spectra."
                )
        return tuple((dim, index.get(dim, 0) % self.dataset.sizes[dim]) for dim in dims)

    def _free_name(self, kind: str) -> str:
        taken = {c.prefix for c in self.model.components}
        return next(f"{kind}{n}" for n in range(1, len(taken) + 2) if f"{kind}{n}_" not in taken)

    def _guess(self, names: tuple[str, ...]) -> dict[str, dict[str, float]]:
        """A peak where most is left over, a twenty-fifth of the axis wide, inside the axis."""
        x = self.dataset[self.axis].values
        left = np.asarray(self.curves()["residual"].values, float)
        top = int(np.nanargmax(left)) if np.isfinite(left).any() else x.size // 2
        width = float(x[-1] - x[0]) / 25
        height = float(left[top] - np.nanmin(left)) if np.isfinite(left[top]) else 1.0
        place = {"value": float(x[top]), "min": float(x[0]), "max": float(x[-1])}
        known = {"position": place, "area": {"value": 1.2 * height * width}, "amplitude": {"value": height}}
        known |= {name: {"value": width} for name in names if name.startswith("fwhm")}
        return {name: start for name, start in known.items() if name in names}

    def _weights(self) -> Weights:
        return chosen_weights(self._one(), self.variable, self.weights)
