"""The page on chemical states: its blocks run on the files that it names, and its list of states is that of the table."""

import re
from pathlib import Path

import matplotlib as mpl

from xps.states.doublets import known_states

PAGE = Path(__file__).parents[2] / "docs" / "xps-states.md"
MARKS = ("<!-- states: made from xps/tables/states.toml -->\n", "<!-- end of states -->")


def states_table() -> str:
    levels: dict[str, list[str]] = {}
    for name, level in known_states().items():
        levels.setdefault(level, []).append(f"`{name}`")
    return "".join(f"| {level} | {', '.join(names)} |\n" for level, names in levels.items())


def test_its_list_is_that_of_the_table():
    text = PAGE.read_text(encoding="utf-8")
    assert text.split(MARKS[0])[1].split(MARKS[1])[0] == states_table()


def test_its_blocks_run(data_dir, tmp_path, monkeypatch):
    mpl.use("Agg")
    for name in ("Mn_references.vms", "Mn_insitu_reduction_oxidation.vms", "Ni_references.vms"):
        (tmp_path / name).symlink_to(data_dir / "xps" / "xpsdeeplearning" / name)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 7
    scope: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), scope)
    found, freer, packet, made = (scope[name] for name in ("found", "freer", "packet", "made"))
    assert abs(float(found.fraction.sel(state="V5+")) - 0.75) < 3 * float(found.fraction_sigma[1]) + 0.02
    assert abs(float(freer.mean_valence) - 4.75) < 0.1
    assert packet.sizes["component"] == 10
    metal = scope["pure"].fraction.sel(state="Ni metal").values
    assert metal[0] > 0.99
    assert metal[1] < 0.005
    profile = scope["profile"]
    off = profile.fraction.sel(state="Mn4+") - scope["depths"]
    assert float(abs(off / profile.fraction_sigma.sel(state="Mn4+")).max()) < 3.5
    assert abs(float(packet.position[0]) - 853.7) < 0.1
    assert float(made.fraction.isel(scan=1).sel(reference="MnO")) < 0.1
    assert (tmp_path / "references.png").stat().st_size > 10_000
    assert set(re.findall(r"images/([\w-]+\.png)", PAGE.read_text(encoding="utf-8"))) <= {
        p.name for p in (PAGE.parent / "images").iterdir()
    }
