"""Text of docstrings and tables as Markdown: references made links, formulas kept, nothing read as markup by chance."""

import re
import textwrap

_DOI = re.compile(r"(?:doi:\s?)?\b(10\.\d{4,9}/[^\s,;\"`|]+)")
_ARXIV = re.compile(r"\barXiv:(\d{4}\.\d{4,5})")


def table(headers, rows):
    """A table; its cells are Markdown already."""
    lines = ["| " + " | ".join(headers) + " |", "|" + "---|" * len(headers)]
    return "\n".join(lines + ["| " + " | ".join(cell or " " for cell in row) + " |" for row in rows])


def cell(text):
    """Plain text for a table: on one line, marks escaped, references linked."""
    text = " ".join(str(text).split())
    return linked(re.sub(r"([|*\[\]])", r"\\\1", text).replace("<", "&lt;").replace("`", "\\`"))


def code(text):
    """Text as code, also inside a table."""
    return f"`{str(text).replace('|', chr(92) + '|')}`" if text else ""


def linked(text):
    """DOI and arXiv numbers as links; what is a link already stays."""

    def doi(match):
        found, rest = match.group(1), ""
        while found and (found[-1] in ".:" or (found[-1] == ")" and found.count("(") < found.count(")"))):
            found, rest = found[:-1], found[-1] + rest
        where = (
            found.replace("\\", "")
            .replace("(", "%28")
            .replace(")", "%29")
            .replace("&lt;", "%3C")
            .replace(">", "%3E")
        )
        return f"[{found}](https://doi.org/{where}){rest}"

    return _ARXIV.sub(r"[arXiv:\1](https://arxiv.org/abs/\1)", _DOI.sub(doi, text))


def anchor(heading):
    """What a heading is linked by."""
    return re.sub(r"[^\w\s-]", "", heading.lower()).strip().replace(" ", "-")


def inline(text):
    """A sentence of a docstring on one line."""
    parts = re.split(r"(``.*?``|:\w+:`[^`]*`|`[^`]*`)", " ".join(text.split()))
    return "".join(_marked(part) if i % 2 else _plain(part) for i, part in enumerate(parts))


def prose(text):
    """Paragraphs, lists and formulas of a docstring."""
    out = []
    for block in _blocks(text):
        if block.lstrip().startswith(".. math::"):
            formula = textwrap.dedent(block.lstrip().removeprefix(".. math::"))
            out.append("$$\n" + " ".join(formula.split()) + "\n$$")
        elif re.match(r"[-*] ", block):
            items = re.split(r"\n(?=[-*] )", block)
            out.append("\n".join("- " + inline(item[2:]) for item in items))
        elif "::" in block.splitlines()[0][-2:]:
            out.append(inline(block.rstrip(":") + ":"))
        elif block.startswith("    "):
            out.append("```\n" + textwrap.dedent(block) + "\n```")
        else:
            out.append(inline(block))
    return "\n\n".join(out)


def _blocks(text):
    """Paragraphs; a formula with empty lines in it is one."""
    blocks: list[str] = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        formula = bool(blocks) and blocks[-1].lstrip().startswith(".. math::")
        if formula and (block.startswith(" ") or blocks[-1].strip() == ".. math::"):
            blocks[-1] += "\n" + block
        else:
            blocks.append(block)
    return [b for b in blocks if b.strip()]


def _marked(part):
    """Something between marks of a docstring."""
    if part.startswith("``"):
        return code(part.strip("`"))
    role = re.fullmatch(r":(\w+):`~?([^`]*)`", part)
    if role and role.group(1) == "math":
        return f"${role.group(2).replace('|', chr(92) + 'vert ')}$"  # a bar would end a cell of a table
    return code(role.group(2) if role else part.strip("`"))


def _plain(part):
    return linked(re.sub(r"([|\[\]]|(?<!\*)\*(?!\*))", r"\\\1", part).replace("<", "&lt;"))
