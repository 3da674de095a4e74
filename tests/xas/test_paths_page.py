"""The page on fits of paths: its blocks run, one after the other, on the data that it names."""

import re
from pathlib import Path

import matplotlib as mpl
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "xas-paths.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)

_R3M = ["x,y,z", "-y,x-y,z", "-x+y,-x,z", "y,x,-z", "x-y,-y,-z", "-x,-x+y,-z"]
_R3M += ["-x,-y,-z", "y,-x+y,-z", "x-y,x,-z", "-y,-x,z", "-x+y,y,z", "x,x-y,z"]


def lithium_nickelate():
    """LiNiO2, R-3m on hexagonal axes, as a CIF file."""
    shifts = (("", "", ""), ("+2/3", "+1/3", "+1/3"), ("+1/3", "+2/3", "+2/3"))
    operations = [
        ",".join(part + add for part, add in zip(one.split(","), shift, strict=True))
        for shift in shifts
        for one in _R3M
    ]
    return "\n".join(
        [
            "data_LiNiO2",
            "_symmetry_space_group_name_H-M 'R -3 m'",
            "_symmetry_Int_Tables_number 166",
            *(
                f"_cell_length_{axis} {length}"
                for axis, length in zip("abc", (2.8777, 2.8777, 14.190), strict=True)
            ),
            *(f"_cell_angle_{name} {angle}" for name, angle in (("alpha", 90), ("beta", 90), ("gamma", 120))),
            "loop_",
            "_symmetry_equiv_pos_as_xyz",
            *(f"'{one}'" for one in operations),
            "loop_",
            *(
                f"_atom_site_{name}"
                for name in ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy")
            ),
            "Li1 Li 0 0 0 1",
            "Ni1 Ni 0 0 0.5 1",
            "O1 O 0 0 0.2417 1",
            "",
        ]
    )


@pytest.fixture
def run(data_dir, tmp_path, monkeypatch, capsys):
    """Run some of the blocks in a folder with the data; what they print."""
    mpl.use("Agg")
    for name, source in (
        ("Cu_foil.xdi", "Cu_foil_rt_larch.xdi"),
        ("feff_Cu", "feff_Cu_demeter"),
        ("operando", "operando_LNO_NiK"),
    ):
        (tmp_path / name).symlink_to(data_dir / "xas" / source)
    (tmp_path / "LiNiO2.cif").write_text(lithium_nickelate())
    monkeypatch.chdir(tmp_path)

    def blocks(*numbers):
        scope: dict[str, object] = {}
        for number in numbers:
            exec(compile(BLOCKS[number], str(PAGE), "exec"), scope)
        return capsys.readouterr().out

    return blocks


def test_the_foil(run, tmp_path):
    assert len(BLOCKS) == 3
    said = run(0, 1)
    assert "Cu-Cu 2.54" in said
    assert "theta = 307.4" in said
    assert (tmp_path / "paths.png").is_file()
    assert (PAGE.parent / "images" / "paths.png").is_file()


@pytest.mark.long
def test_the_series(run):
    said = eval(run(0, 2).splitlines()[-1])
    assert said["Ni-O"] == pytest.approx([1.935, 1.863], abs=0.004)
    assert said["Ni-Ni"] == pytest.approx([2.878, 2.815], abs=0.004)
