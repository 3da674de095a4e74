"""Pages of what there is to choose from, as `spectra list` shows it: flags, rules of the audit, shapes, readers, recipes."""

import inspect
import math
import re
from pathlib import Path

from reference_flags import flags
from reference_markdown import anchor, cell, code, inline, prose, table
from reference_names import PACKAGES, public_names

from spectra.fitting.shapes import list_shapes
from spectra.pipeline.recipe import parse_recipe
from spectra.pipeline.shipped import list_recipes
from spectra.preprocessing.baselines import COMPILED
from spectra.reading.registry import readers
from xps.rules.listing import backgrounds, listing


def flags_page():
    """Every flag: whether the numbers stand, what it says, and which verbs set it."""
    found, lost = flags()
    if lost:
        raise SystemExit(f"flags that cannot be followed to their name: {', '.join(lost)}")
    verbs = {
        name: (page, inspect.getdoc(name.thing) or "")
        for page, package, _ in PACKAGES
        for name in public_names(package)
        if name.verb
    }
    groups = {}
    for flag in found:
        groups.setdefault((flag.name, flag.severity, flag.text), []).append(flag.module)
    failed = [group for group in groups if group[1] == "failed"]
    lines = [
        "# Flags",
        "A spectrum that fails is marked and stays in its series. `dataset.status` holds one bit per flag and is 0 where all "
        "is well; `dataset.spectra.flags` lists what was set, on how many spectra, with the sentence below. With **failed** "
        "flags the numbers of the verb are NaN; with *warnings* they stand, and need a look. `…` stands for what is filled "
        "in when it happens.",
        f"{len({g[0] for g in groups})} flags, by name; {len(failed)} of the {len(groups)} sentences are about failures.",
    ]
    rows = []
    for (name, severity, text), modules in groups.items():
        severity = "**failed**" if severity == "failed" else "*warning*"
        rows.append((code(name), severity, cell(_sentence(text)), _set_by(name, modules, verbs)))
    return "\n\n".join([*lines, table(("flag", "numbers", "what happened and what to do", "set by"), rows)])


def _sentence(text):
    text = " ".join(text.split())
    named = text.startswith(("mu ", "chi"))
    return (text if named else text[:1].upper() + text[1:]) + ("" if text.endswith((".", "!", "?")) else ".")


def _set_by(name, modules, verbs):
    """Verbs of the file that sets the flag and those that say they do, else those of files that import it."""
    for test in (_sets, _imports):
        ours = [verb for verb in verbs if any(test(verb, verbs[verb][1], name, module) for module in modules)]
        if ours:
            return ", ".join(f"[`{verb.full}`]({verbs[verb][0]}#{anchor(verb.full)})" for verb in ours)
    return ", ".join(map(code, modules))


def _module(verb):
    return inspect.unwrap(verb.thing).__module__


def _sets(verb, doc, name, module):
    return _module(verb) == _dotted(module) or (_package(module) == verb.package and f"``{name}``" in doc)


def _imports(verb, _doc, _name, module):
    text = Path(inspect.getsourcefile(inspect.unwrap(verb.thing))).read_text("utf-8")
    return re.search(rf"^from {re.escape(_dotted(module))} import", text, re.MULTILINE) is not None


def _dotted(module):
    return module.removesuffix(".py").replace("/", ".")


def _package(module):
    """The package with verbs that a file belongs to."""
    known = [package for _, package, _ in PACKAGES]
    return max((p for p in known if module.startswith(p.replace(".", "/") + "/")), key=len)


def rules_page():
    """Every rule of the audit."""
    headers, *rows = listing("")
    lines = [
        "# Rules of the audit",
        "What `xps.audit` asks of a fit, and `spectra run` of every fit of a core level: [how it is used](../xps-audit.md). "
        "Every threshold can be changed (option `thresholds`); one whose source is **to-verify** says so in the finding.",
        f"{len(rows)} rules.",
    ]
    shown = [
        (code(r[0]), cell(r[1]), cell(r[2]), cell(r[3]), cell(r[4]), _status(r[5]), cell(r[6])) for r in rows
    ]
    return "\n\n".join([*lines, table(headers, shown)])


def _status(status):
    return f"**{status}**" if status == "to-verify" else status


def _ours(module):
    """Whether a module is the project's, and not of another package that is installed beside it."""
    return module.partition(".")[0] in {package.partition(".")[0] for _, package, _ in PACKAGES}


def lists_page():
    """Readers, line shapes, backgrounds, baselines and recipes."""
    lines = [
        "# Readers, line shapes, backgrounds, baselines, recipes",
        "What is installed with the project; packages of others may bring more. In the terminal: `spectra list`.",
        "## Readers",
        "The content of a file decides, not its ending: [reading](../reading.md).",
    ]
    rows = [
        (code(r.name), " ".join(map(code, r.extensions)), cell(r.summary))
        for r in readers().values()
        if _ours(r.scans.__module__)
    ]
    lines.append(table(("reader", "usual endings", "reads"), rows))
    lines += ["## Line shapes", "For components of any fit ([fitting](../fitting.md)). Widths are full widths at half maximum of "
              "what their name says; start value and limits hold where a component does not say its own."]  # fmt: skip
    for shape in list_shapes().values():
        lines += [f"### {shape.name}", *_shape(shape)]
    lines += ["## Backgrounds", "Under a core level, for `xps.subtract_background` and `xps.deconvolve`."]
    headers, *rows = backgrounds("")
    lines.append(table(headers, [(code(r[0]), cell(r[1]), cell(r[2])) for r in rows]))
    lines += ["## Baselines", "`spectra.subtract_baseline` takes every method of pybaselines by its name (`spectra list baselines` "
              "shows those of the installed version with their options). These are compiled here, for series and maps:"]  # fmt: skip
    rows = [
        (code(name), ", ".join(code(f"{k} = {_number(v)}") for k, v in options.items()))
        for name, options in COMPILED.items()
    ]
    lines.append(table(("baseline", "options and defaults"), rows))
    lines += [
        "## Recipes",
        "`spectra run NAME FILE… -o OUT.nxs`; `spectra init NAME` writes one to edit: [recipes](../recipes.md).",
    ]
    plans = [parse_recipe(found.text, name=found.name) for found in list_recipes() if _ours(found.package)]
    rows = [
        (code(p.name), cell(p.title), " → ".join([p.read.verb, *(s.verb for s in p.steps)])) for p in plans
    ]
    lines.append(table(("recipe", "title", "steps"), rows))
    return "\n\n".join(lines)


def _shape(shape):
    doc = inspect.getdoc(shape.function) or ""
    body = re.split(r"^\w+\n-{3,}$", doc, maxsplit=1, flags=re.MULTILINE)[0]
    first, _, rest = body.partition("\n\n")
    yield inline(first)
    if rest.strip():
        yield prose(rest)
    rows = [
        (code(p.name), cell(p.meaning), _number(p.value), _limits(p.min, p.max), "" if p.vary else "held") for p in shape.parameters
    ]  # fmt: skip
    yield table(("parameter", "meaning", "start", "limits", "in a fit"), rows)


def _limits(low, high):
    if math.isinf(low) and math.isinf(high):
        return ""
    return (
        f"{_number(low)} to {_number(high)}"
        if not math.isinf(high)
        else f"from {_number(low)}"
        if not math.isinf(low)
        else f"to {_number(high)}"
    )


def _number(value):
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"
