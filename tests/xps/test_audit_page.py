"""The page on the audit: its blocks run on the files that it names, and its table is that of the rules."""

import re
from pathlib import Path

from xps.tables import load_table

PAGE = Path(__file__).parents[2] / "docs" / "xps-audit.md"
MARKS = ("<!-- rules: made from xps/tables/audit.toml -->\n", "<!-- end of rules -->")


def rules_table() -> str:
    """The table of the page, made from that of the rules."""
    lines = ["| rule | asks for | severity | thresholds | source |", "|---|---|---|---|---|"]
    for row in load_table("audit")["rule"]:
        limits = ", ".join(
            f"`{name}` {entry['value']:g} {entry['unit']}".strip()
            for name, entry in row.get("thresholds", {}).items()
        )
        status = " *(to-verify)*" if row["status"] == "to-verify" else ""
        cells = (row["id"], row["title"], row["severity"], limits or "–", row["source"] + status)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def test_its_table_is_that_of_the_rules():
    text = PAGE.read_text(encoding="utf-8")
    written = text.split(MARKS[0])[1].split(MARKS[1])[0]
    assert written == rules_table()


def test_its_blocks_run(data_dir, tmp_path, monkeypatch, capsys):
    (tmp_path / "FeO_analyzed.vms").symlink_to(data_dir / "xps/pynxtools/FeO_analyzed.vms")
    (tmp_path / "Mn_references.vms").symlink_to(data_dir / "xps/xpsdeeplearning/Mn_references.vms")
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 3
    scope: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), scope)
    said = capsys.readouterr().out
    shown = re.search(r"```\n(A01 error.*?)```", text, re.DOTALL).group(1)
    assert all(line in said for line in shown.splitlines())
    assert "A26 binding energies no calibration is stored" in said
    assert "A17 Mn 2p Mn4+ 1 line for Mn4+, and its fraction is reported" in said
    assert "V 2p3/2 V2+ | at 516.40 eV; V2+: 513.1 to 514.1 eV" in said
    assert "O 1s oxygen vacancy | at 531.50 eV" in said
