"""What makes a function a verb: options checked, input untouched, the call written into the history.

A verb is ``verb(dataset, *, options) -> dataset``. The decorator here is the only place that knows the
history, so a verb's body holds nothing but the naming of variables.
"""

from __future__ import annotations

import contextlib
import contextvars
import datetime
import functools
import importlib
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from spectra.announced import announced_verbs
from spectra.errors import InvalidInput, RecipeError, did_you_mean
from spectra.options import by_name, check_options, plain

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "Verb",
    "as_measured",
    "find_verb",
    "history",
    "list_verbs",
    "note",
    "note_input",
    "part_of_series",
    "reading_verb",
    "record",
    "resolve",
    "series_length",
    "series_value",
    "settled",
    "verb",
    "watch_inputs",
]

#: Whether a verb takes the series together, or a function of its options that says so.
Together = bool | Callable[[Mapping[str, Any]], bool]

#: Adds to a dataset what a verb, called with these options, says of the series as a whole.
Finish = Callable[["xr.Dataset", Mapping[str, Any]], "xr.Dataset"]

#: What a verb says of itself besides its signature, and what holds where it says nothing.
_TRAITS: dict[str, Any] = {"together": False, "finish": None}

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., "xr.Dataset"])


@dataclass(frozen=True)
class Verb:
    """A verb as recipes, help and documentation see it."""

    name: str
    function: Callable[..., xr.Dataset]
    summary: str
    reads_files: bool
    together: Together = False
    finish: Finish | None = None

    def takes_series_together(self, options: Mapping[str, Any]) -> bool:
        """Whether, with these options, what becomes of a spectrum depends on the others of its series."""
        if isinstance(self.together, bool):
            return self.together
        return self.together(check_options(self.name, self.function, options))


@dataclass
class _Call:
    notes: list[str] = field(default_factory=list)
    resolved: dict[str, Any] = field(default_factory=dict)
    series: dict[str, Any] = field(default_factory=dict)
    inputs: list[dict[str, Any]] = field(default_factory=list)


_current: contextvars.ContextVar[_Call | None] = contextvars.ContextVar("spectra_call", default=None)

_watcher: contextvars.ContextVar[Callable[[str], None] | None] = contextvars.ContextVar(
    "spectra_watcher", default=None
)

_series_length: contextvars.ContextVar[int | None] = contextvars.ContextVar("spectra_series", default=None)

_settled: contextvars.ContextVar[Mapping[str, Any] | None] = contextvars.ContextVar(
    "spectra_settled", default=None
)


def verb(
    name: str,
    *,
    axis: str | tuple[str, ...] | None = None,
    needs: Mapping[str, str] | None = None,
    together: Together = False,
    finish: Finish | None = None,
) -> Callable[[F], F]:
    """Make ``function(dataset, *, options) -> dataset`` a verb.

    Parameters
    ----------
    name : str
        As users and recipes call it: ``"xas.normalize"``.
    axis : str or tuple of str, optional
        Spectral axes that the verb works along; another one is refused with a sentence.
    needs : mapping, optional
        Variables that must be there, each with the verb that adds it.
    together : bool or callable
        Whether what becomes of a spectrum depends on the others of its series, so that a series must not be cut;
        where it depends on the options, a function of them (all, defaults filled in).
    finish : callable, optional
        ``finish(dataset, options)`` adds what the verb says of the series as a whole. It is called when the verb has
        run, and, where a series was worked through in parts, when they are joined.
    """
    axes = (axis,) if isinstance(axis, str) else axis

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def call(dataset: Any, /, *leading: Any, **given: Any) -> xr.Dataset:
            from spectra.dataset import as_dataset

            data = as_dataset(dataset, verb=name)
            _check_input(name, data, axes, needs or {})
            options = check_options(name, function, by_name(name, function, leading, given))
            token = _current.set(_Call())
            try:
                result = function(_detached(data), **options)
                if finish is not None and _series_length.get() is None:
                    result = finish(result, options)
                this = cast(_Call, _current.get())
            finally:
                _current.reset(token)
            result = record(
                result,
                name,
                options,
                notes=this.notes,
                resolved=this.resolved,
                added=_added(data, result),
                series=this.series,
            )
            result.encoding = {**result.encoding, "as_measured": as_measured(data)}
            return result

        call.__dict__.update(verb_name=name, together=together, finish=finish)
        return cast(F, call)

    return decorate


def reading_verb(
    name: str, *, passes_on: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None
) -> Callable[[F], F]:
    """Make ``function(paths, *, options) -> dataset`` a verb: the first entry of the dataset's history.

    ``passes_on`` tells, of the options given, which further ones there are and of what type: those that ``function``
    takes as ``**others`` and hands to the reader of the file.

    The files it opened are listed in ``attrs["inputs"]`` (JSON: name as given, SHA-256, size). A file that carries
    a history of its own, as results files do, keeps it and gets no other.
    """

    def decorate(function: F) -> F:
        function.__dict__["passes_on"] = passes_on

        @functools.wraps(function)
        def call(paths: Any, /, **given: Any) -> xr.Dataset:
            options = check_options(name, function, given)
            token = _current.set(_Call())
            try:
                result = function(paths, **options)
                this = cast(_Call, _current.get())
            finally:
                _current.reset(token)
            made = history(result)
            if made and made[0]["verb"] != "spectra.from_arrays":
                return result
            notes = [*this.notes, *(text for entry in made for text in entry.get("notes", []))]
            start = result.assign_attrs(history="[]", inputs=json.dumps(this.inputs))
            return record(start, name, options, notes=list(dict.fromkeys(notes)), resolved=this.resolved)

        call.__dict__["verb_name"] = name
        return cast(F, call)

    return decorate


@contextlib.contextmanager
def watch_inputs(told: Callable[[str], None]) -> Iterator[None]:
    """Call ``told`` with the name of each file that is opened inside the block: for a progress bar."""
    token = _watcher.set(told)
    try:
        yield
    finally:
        _watcher.reset(token)


@contextlib.contextmanager
def part_of_series(length: int | None) -> Iterator[None]:
    """Say that the datasets inside the block are parts of a series of ``length`` spectra."""
    token = _series_length.set(length)
    try:
        yield
    finally:
        _series_length.reset(token)


@contextlib.contextmanager
def settled(values: Mapping[str, Any]) -> Iterator[None]:
    """Give the verb inside the block what :func:`series_value` came to for the whole series."""
    token = _settled.set(values)
    try:
        yield
    finally:
        _settled.reset(token)


def series_value(name: str, find: Callable[[], T]) -> T:
    """A number or choice that all spectra of a series share: ``find()``, or what was settled for the whole series.

    The history keeps it, so that a part of the series, or a re-run, takes the same.
    """
    given = _settled.get() or {}
    value = given[name] if name in given else find()
    call = _current.get()
    if call is not None:
        call.series[name] = plain(value)
    return cast(T, value)


def series_length(own: int) -> int:
    """Number of spectra of the whole series, of which the ``own`` at hand may be a part: for choices that hang on it."""
    whole = _series_length.get()
    return own if whole is None else max(own, whole)


def note_input(file: str, sha256: str, size: int) -> None:
    """Say in the history which file the running verb reads; the same file twice counts once."""
    call = _current.get()
    entry = {"file": file, "sha256": sha256, "size": size}
    if call is not None and entry not in call.inputs:
        call.inputs.append(entry)
    told = _watcher.get()
    if told is not None:
        told(file)


def note(text: str) -> None:
    """Say in the history what the running verb did with the data (a repair, a fall-back, a choice)."""
    call = _current.get()
    if call is not None and text not in call.notes:
        call.notes.append(text)


def resolve(**values: Any) -> None:
    """Write into the history what an option left at its default came to."""
    call = _current.get()
    if call is not None:
        call.resolved.update({k: plain(v) for k, v in values.items()})


def record(
    dataset: xr.Dataset,
    name: str,
    options: Mapping[str, Any],
    *,
    notes: list[str] | None = None,
    resolved: Mapping[str, Any] | None = None,
    added: list[str] | None = None,
    series: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """``dataset`` with one more entry in its history; the dataset given is left as it was."""
    entry: dict[str, Any] = {
        "verb": name,
        "options": {k: _described(v) for k, v in options.items()},
        "version": _version(),
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    if resolved:
        entry["resolved"] = dict(resolved)
    if notes:
        entry["notes"] = list(notes)
    if added:
        entry["added"] = list(added)
    if series:
        entry["series"] = dict(series)
    return dataset.assign_attrs(history=json.dumps([*history(dataset), entry]))


@functools.cache
def _version() -> str:
    return importlib.metadata.version("redox-spectra")


def history(dataset: xr.Dataset) -> list[dict[str, Any]]:
    """Every verb that made ``dataset``, in order, with its options."""
    return list(json.loads(dataset.attrs.get("history", "[]")))


def as_measured(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset that the verbs in the history started from; ``dataset`` itself if none has run.

    It travels with the dataset, sharing its arrays, so that a results file holds the data as measured and can be
    re-run from itself. Where the series was cut or joined outside of verbs, the result of that is the new start:
    the verbs before it (as many as its own history counts) are not run again.
    """
    from spectra.dataset import series_dims

    start = dataset.encoding.get("as_measured")
    if start is None:
        return dataset
    same_series = all(start.sizes.get(d) == dataset.sizes[d] for d in series_dims(dataset))
    return start if same_series else dataset


def find_verb(name: str) -> Verb:
    """The verb called ``name``, from whichever installed package announces it."""
    package, _, short = name.rpartition(".")
    if short in announced_verbs().get(package, ()):
        function = getattr(importlib.import_module(package), short, None)
        if function is None:
            raise RecipeError(
                f"STEPS of {package} announces {short!r}, which {package} has not: add it to __init__.pyi."
            )
        traits = {key: vars(function).get(key, default) for key, default in _TRAITS.items()}
        return Verb(name, function, _summary(function), short.startswith("read"), **traits)
    raise RecipeError(f"no verb {name!r}; {did_you_mean(name, _all_names())}.")


def list_verbs() -> list[Verb]:
    """All verbs of all installed packages, by name."""
    return [find_verb(name) for name in _all_names()]


def _all_names() -> list[str]:
    return sorted(f"{package}.{short}" for package, shorts in announced_verbs().items() for short in shorts)


def _summary(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


def _detached(dataset: xr.Dataset) -> xr.Dataset:
    """A copy whose labels and attributes can be changed freely; the arrays are shared and read-only by contract."""
    copy = dataset.copy(deep=False)
    for variable in copy.variables.values():
        variable.attrs = dict(variable.attrs)
    copy.attrs = dict(copy.attrs)
    return copy


def _added(before: xr.Dataset, after: xr.Dataset) -> list[str]:
    """Variables that a verb made or wrote anew."""

    def untouched(name: Any) -> bool:
        old, new = before.variables.get(name), after.variables[name]
        # arrays are compared by identity, which costs nothing; coordinates are copied on the way and compared by value
        return old is not None and (new._data is old._data or (name in after.indexes and new.equals(old)))  # type: ignore[no-untyped-call]

    return [str(name) for name in after.variables if not untouched(name)]


def _check_input(name: str, data: xr.Dataset, axes: tuple[str, ...] | None, needs: Mapping[str, str]) -> None:
    from spectra.dataset import spectral_axis

    found = spectral_axis(data)
    if axes and found not in axes:
        raise InvalidInput(
            f"{name} works along {' or '.join(axes)}, and this dataset has {found}. "
            f"Use a verb of its own technique ({data.attrs.get('technique', 'unknown')})."
        )
    for variable, maker in needs.items():
        if variable not in data.variables:
            raise InvalidInput(f"{name} needs the variable {variable!r}, which {maker} adds: call it first.")


def _described(value: Any) -> Any:
    """Option value as JSON can hold it; an object says itself how (``to_spec``) or by its text."""
    value = plain(value)
    if hasattr(value, "to_spec"):
        return value.to_spec()
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return {
            "not_storable": f"{type(value).__module__}.{type(value).__qualname__}",
            "text": repr(value)[:500],
        }
    return value
