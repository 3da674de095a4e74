"""Rules A07–A10, A32, A33 and A36: what the numbers of a fit say about themselves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from xps.rules.breach import Breach, Limits, where
from xps.rules.evidence import Component, Evidence, FloatArray, NotJudged, Setting

__all__ = [
    "at_limits",
    "components_needed",
    "negative_areas",
    "noise",
    "residuals",
    "series_drift",
    "steps",
    "together",
]


def _components(e: Evidence) -> tuple[Component, ...]:
    if not e.components:
        raise NotJudged("a fit")
    return e.components


def at_limits(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A07: no free parameter on a bound, none unknown to half of itself, no two of them one."""
    if not any(c.settings for c in _components(e)):
        raise NotJudged("the limits of the fit's parameters")
    for c in e.components:
        for key, setting in c.settings.items():
            values = c.numbers.get(key)
            if values is None or not setting.free:
                continue
            near = _on_limit(values, setting, key, t["bound"])
            ends = f"{setting.low:.6g} to {setting.high:.6g}"
            yield from where(
                near,
                values,
                c.name,
                f"{key} {{value:.6g}} lies on a limit of {ends}",
                f"{t['bound']:g} of the range",
                severity="warning",
            )
            error = c.sigmas.get(key)
            if error is None or key not in ("area", "fwhm", "fwhm_g", "fwhm_l"):
                continue
            part = np.abs(error / values)
            grave = bool((part > t["relative_error"] * 2).any())
            yield from where(
                part > t["relative_error"],
                part,
                c.name,
                f"{key} is uncertain by {{value:.0%}} of itself",
                f"{t['relative_error']:.0%} (error: twice that)",
                severity="error" if grave else "warning",
            )
    yield from _correlated(e, t["correlation"])


def _on_limit(values: FloatArray, setting: Setting, key: str, part: float) -> np.ndarray:
    """Whether values lie within a part of the range of a limit; areas and widths within that part of themselves."""
    span = setting.high - setting.low
    size = np.full(values.shape, span)
    if key not in ("position",):
        size = np.minimum(size, np.abs(values))
    margin = part * np.where(np.isfinite(size), size, 0)
    low = np.isfinite(setting.low) & (values - setting.low <= margin)
    high = np.isfinite(setting.high) & (setting.high - values <= margin)
    return np.asarray(low | high)


def _correlated(e: Evidence, limit: float) -> Iterator[Breach]:
    """The most correlated pair, and how many others are beyond the limit."""
    if e.correlation is None:
        return
    names, matrix = e.correlation
    pairs = [(i, k) for i in range(len(names)) for k in range(i)]
    if not pairs:
        return
    values = np.nan_to_num(np.stack([matrix[:, i, k] for i, k in pairs]))
    high = np.abs(values).max(1) > limit
    if not high.any():
        return
    most = int(np.abs(values).max(1).argmax())
    i, k = pairs[most]
    others = int(high.sum()) - 1
    said = "correlation {value:+.3f}: the data know only a combination of the two"
    said += f" ({others} more pair{'s' if others > 1 else ''} beyond the limit)" if others else ""
    subject = f"{names[k]}, {names[i]}"
    yield from where(
        np.abs(values[most]) > limit, values[most], subject, said, f"{limit:g}", severity="warning"
    )


def negative_areas(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A08: no component that takes away, none that is nothing."""
    for c in _components(e):
        for name, values in (("area", c.area), ("height", c.height)):
            if values is not None:
                yield from where(
                    values <= t["least"], values, c.name, f"{name} {{value:.3g}}", "above zero", worst=-values
                )
                break


def components_needed(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A09: every component earns its parameters: BIC against the fit without it.

    What it would lose is estimated from area and sigma; where that is least, the fit is made again without the component.
    """
    if e.x is None or not any(c.area_sigma is not None for c in _components(e)):
        raise NotJudged("areas with uncertainties")
    inside = np.ones(e.x.size, bool) if e.window is None else (e.x >= e.window[0]) & (e.x <= e.window[1])
    for number, c in enumerate(e.components):
        tied = not c.settings.get("area", Setting(free=False)).free
        if c.area is None or c.area_sigma is None or tied:
            continue
        own = sum(setting.free for setting in c.settings.values())
        gain = (c.area / c.area_sigma) ** 2 - own * np.log(np.count_nonzero(inside))
        doubt = np.where(np.isfinite(gain), gain, -np.inf)
        least = np.argsort(doubt)[: int(t["refits"])]
        least = least[doubt[least] < t["doubtful"]]
        again = e.refit.gain(number, least.tolist()) if e.refit is not None and least.size else None
        if again is not None:
            gain[least] = np.where(np.isfinite(again), again, gain[least])
        how = "estimated from area and sigma" if again is None else "fitted again without it"
        said = f"BIC falls by {{value:.1f}} only through it ({how})"
        yield from where(gain < t["gain"], gain, c.name, said, f"{t['gain']:g}", worst=-gain)


def residuals(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A10: what is left over is noise: its size, its order, and no stretch of it off by itself."""
    residual = e.need("residual", "a fit made here")
    sigma = e.need("sigma", "the uncertainty of each point")
    if e.redchi is not None:
        off = np.maximum(t["lowest"] / e.redchi, e.redchi / t["highest"])
        said, limits = "reduced chi-square {value:.2f}", f"{t['lowest']:g} to {t['highest']:g}"
        yield from where(
            (e.redchi < t["lowest"]) | (e.redchi > t["highest"]), e.redchi, "fit", said, limits, worst=off
        )
    z = residual / sigma
    count = np.isfinite(z).sum(-1)
    freed = _without_line(z)
    watson = np.nansum(np.diff(freed, axis=-1) ** 2, -1) / np.nansum(freed**2, -1)
    away = np.abs(watson - 2) / (2 / np.sqrt(count))
    said = "Durbin–Watson {value:.2f}: neighbours in the residual are not independent"
    limit = f"2 ± {t['watson']:g} standard deviations"
    yield from where(away > t["watson"], watson, "fit", said, limit, worst=away)
    run = np.nan_to_num(together(residual, sigma, e.background_sigma, int(t["points"])))
    most = np.nanmax(np.abs(run), -1, initial=0)
    place = (
        e.x[int(np.nanargmax(np.abs(run[most.argmax()]))) + int(t["points"]) // 2]
        if e.x is not None and most.any()
        else np.nan
    )
    said = f"{int(t['points'])} neighbouring points of the residual are {{value:.1f}} sigma off together, near {place:.1f} eV"
    yield from where(most > t["structure"], most, "fit", said, f"{t['structure']:g} sigma")


def together(values: FloatArray, sigma: FloatArray, shared: FloatArray | None, points: int) -> FloatArray:
    """Sums of neighbouring values over their uncertainty, NaN where one is missing.

    Each value has its own ``sigma``; the uncertainty of a background is ``shared`` by neighbours and adds up.
    """
    if values.shape[-1] < points:
        return np.full((*values.shape[:-1], 1), np.nan)

    def sums(of: FloatArray) -> FloatArray:
        return np.asarray(np.lib.stride_tricks.sliding_window_view(of, points, axis=-1).sum(-1))

    common = 0.0 if shared is None else sums(shared)
    return np.asarray(sums(values) / np.sqrt(sums(sigma**2) + common**2))


def _without_line(z: FloatArray) -> FloatArray:
    """Values freed of a straight line, which the ends of a background leave in them by their own noise."""
    known = np.isfinite(z)
    x = np.linspace(-1, 1, z.shape[-1])
    count = np.maximum(known.sum(-1, keepdims=True), 1)
    values, places = np.where(known, z, 0), np.where(known, x, 0)
    middle = places.sum(-1, keepdims=True) / count
    d = np.where(known, x - middle, 0)
    slope = (d * values).sum(-1, keepdims=True) / np.maximum((d**2).sum(-1, keepdims=True), 1e-300)
    return np.asarray(z - values.sum(-1, keepdims=True) / count - slope * (x - middle))


def noise(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A32: every component above the noise, which nobody made smaller before the fit."""
    fitted = [i for i, verb in enumerate(e.verbs) if verb in ("xps.deconvolve", "spectra.fit")]
    for verb in ("spectra.smooth", "xps.smooth"):
        if verb in e.verbs[: fitted[-1] if fitted else len(e.verbs)]:
            yield Breach("history", f"{verb} before the fit", threshold="none", severity="error")
    heights = [(c, c.height) for c in _components(e) if c.height is not None]
    if e.sigma is None or not heights or e.x is None:
        raise NotJudged("heights of components and the uncertainty of each point")
    for c, height in heights:
        here = np.nanmedian(c.position) if c.position is not None else np.nan
        tied = c.settings.get("area", Setting()).tied_to is not None  # as strong as what it belongs to
        if tied or not np.isfinite(here):
            continue
        sigma = e.sigma[:, np.abs(e.x - here).argmin()]
        ratio = height / sigma
        said = "height {value:.1f} times the noise of a point there"
        yield from where(
            ratio < t["ratio"], ratio, c.name, said, f"{t['ratio']:g}", worst=-ratio, severity="warning"
        )


def steps(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A33: the axis fine enough for the narrowest line."""
    x = e.need("x", "the spectrum")
    step = float(np.diff(x).max())
    for c in _components(e):
        if c.fwhm is not None:
            part = step / c.fwhm
            said = f"step {step:.3g} eV, {{value:.2f}} of the width"
            yield from where(part > t["part"], part, c.name, said, f"{t['part']:g} of the width")


def series_drift(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A36: through a series, measured alike, a label stays where it is and as wide as it is."""
    if e.spectra < 2:
        raise NotJudged("a series")
    if e.pass_energies:
        said = f"spectra of {' and '.join(f'{value:g}' for value in e.pass_energies)} eV pass energy in one series"
        yield Breach("series", said, max(e.pass_energies), "one pass energy")
    for c in _components(e):
        if c.position is not None and np.isfinite(c.position).sum() > 1:
            drift = float(np.nanmax(c.position) - np.nanmin(c.position))
            said = "moves by {value:.2f} eV through the series"
            yield from where(drift > t["drift"], [drift], c.name, said, f"{t['drift']:g} eV")
        if c.fwhm is not None and np.isfinite(c.fwhm).sum() > 1:
            change = float(np.nanmax(c.fwhm) / np.nanmin(c.fwhm) - 1)
            said = "its width changes by {value:.0%} through the series"
            yield from where(change > t["width"], [change], c.name, said, f"{t['width']:.0%}")
