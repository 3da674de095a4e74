"""White lines of measured spectra: the sensitivity of the ratio to each choice, one at a time."""

import numpy as np
import pytest

import spectra
import xas
from spectra.dataset import flag_names
from spectra.errors import InvalidInput

#: Channels and windows whole, as the table was made; everything else at its default.
WHOLE = {"channels": "whole", "overlapping": "keep"}
CHANGES = {
    "double step": {},
    "arctan 1": {"method": "double_arctan"},
    "arctan 3": {"method": "double_arctan", "arctan_width": 3.0},
    "3 and 3": {"l3": 3.0, "l2": 3.0},
    "1 and 1": {"l3": 1.0, "l2": 1.0},
    "post 10-20": {"post": (10.0, 20.0)},
    "steps 1:1": {"steps": (0.5, 0.5)},
}
#: file -> element, window of a power law, ratio for each of the changes, splitting
TABLE = {
    "eelsdb/LSMO_bulk_MnL.msa": ("Mn", None, (3.18, 3.14, 3.06, 2.89, 2.55, 2.87, 2.96), 10.44),
    "exspy/LSMO_coreloss_raw.msa": ("Mn", (590, 635), (3.22, 3.17, 3.09, 2.91, 2.56, 2.85, 2.98), 10.44),
    "eelsdb/LSMO_Ovac_MnL.msa": ("Mn", None, (4.84, 4.78, 4.65, 4.36, 4.54, 4.28, 4.31), 11.40),
    "eelsdb/Co_metal_CoL_237.txt": ("Co", None, (3.18, 3.18, 3.10, 3.03, 3.14, 3.20, 2.87), 15.02),
    "eelsdb/Cr2O3_OK_CrL_158.txt": ("Cr", (545, 570), (2.29, 2.25, 2.16, 2.20, 2.10, 2.04, 2.16), 8.32),
}


def columns(path) -> tuple[np.ndarray, np.ndarray]:
    """Energies and values as the lines of a file hold them; where it holds values only, 0.2 eV apart from 360 eV."""
    rows = []
    for line in path.read_text(encoding="latin-1").splitlines():
        words = line.replace(",", " ").split()
        if words and not line.startswith("#"):
            rows.append([float(w) for w in words])
    table = np.array(rows)
    if table.shape[1] == 1:
        return 360 + 0.2 * np.arange(len(table)), table[:, 0]
    return table[:, 0], table[:, 1]


def tops(scan, made) -> tuple[float, float]:
    """Positions as the table has them: the parabola through six channels on each side of the highest."""
    signal = scan["net" if "net" in scan else "counts"].values
    loss, found = scan.energy_loss.values, []
    for place in (float(made.l3_position), float(made.l2_position)):
        peak = np.where(np.abs(loss - place) < 2.5, signal, -np.inf).argmax()
        near = slice(peak - 6, peak + 7)
        c = np.polyfit(loss[near] - loss[peak], signal[near], 2)
        found.append(loss[peak] - c[1] / (2 * c[0]))
    return found[0], found[1]


def measured(data_dir, name, window=None, units=""):
    loss, y = columns(data_dir / "eels" / name)
    scan = spectra.from_arrays(
        loss, y, axis="energy_loss", name="counts", units=units, attrs={"technique": "eels"}
    )
    return scan if window is None else xas.eels.subtract_background(scan, window=window)


@pytest.mark.parametrize("name", TABLE)
def test_the_ratio_with_each_choice(name, data_dir):
    element, window, ratios, splitting = TABLE[name]
    scan = measured(data_dir, name, window)
    own = xas.eels.white_line_ratio(scan, element)
    positions = tops(scan, own)
    assert positions[1] - positions[0] == pytest.approx(splitting, abs=0.006)
    assert (float(own.l3_position), float(own.l2_position)) == pytest.approx(positions, abs=0.05)
    for (change, options), expected in zip(CHANGES.items(), ratios, strict=True):
        made = xas.eels.white_line_ratio(scan, element, positions=positions, **WHOLE, **options)
        assert float(made.l3_l2_ratio) == pytest.approx(expected, abs=0.02), change


@pytest.mark.parametrize(
    ("name", "expected"),
    [("LSMO_bulk_MnL.msa", 3.05), ("LSMO_Ovac_MnL.msa", 4.71), ("Co_metal_CoL_237.txt", 3.18)],
)
def test_the_level_behind_l2_where_the_data_end(name, expected, data_dir):
    """The data end inside the default window: a flag; and with 15 to 19 eV another ratio, without one."""
    element = "Co" if "Co" in name else "Mn"
    scan = measured(data_dir, f"eelsdb/{name}")
    off = ["energy_scale_off"] if "LSMO" in name else []
    assert flag_names(xas.eels.white_line_ratio(scan, element)) == ["post_truncated", *off]
    positions = tops(scan, xas.eels.white_line_ratio(scan, element))
    shorter = xas.eels.white_line_ratio(scan, element, post=(15, 19), positions=positions, **WHOLE)
    assert float(shorter.l3_l2_ratio) == pytest.approx(expected, abs=0.02)
    assert flag_names(shorter) == off


def test_an_axis_that_is_off_is_told(data_dir):
    """Mn L3 at 648.7 eV instead of about 642."""
    made = xas.eels.white_line_ratio(measured(data_dir, "eelsdb/LSMO_bulk_MnL.msa"), "Mn")
    assert "energy_scale_off" in flag_names(made)
    assert "L3 at 648.7 eV, 4.0 eV outside" in made.attrs["history"]


def test_channels_by_their_part_hardly_differ(data_dir):
    """The default against whole channels, on 0.2 eV channels."""
    scan = measured(data_dir, "exspy/LSMO_coreloss_raw.msa", (590, 635), "counts")
    whole, parts = (xas.eels.white_line_ratio(scan, "Mn", channels=c) for c in ("whole", "fractional"))
    assert float(parts.l3_l2_ratio) == pytest.approx(float(whole.l3_l2_ratio), abs=0.06)
    assert float(parts.l3_l2_ratio_sigma) == pytest.approx(float(whole.l3_l2_ratio_sigma), rel=0.05)
    assert 0.01 < float(parts.l3_l2_ratio_sigma) < 0.2


def test_close_lines_shrink_their_windows(data_dir):
    scan = measured(data_dir, "eelsdb/Cr2O3_OK_CrL_158.txt", (545, 570))
    made = xas.eels.white_line_ratio(scan, "Cr")
    assert "windows_shrunk" in flag_names(made)
    assert float(made.l3_half_width) == pytest.approx(8.32 / 2, abs=0.02)
    assert float(made.l2_half_width) == 4.0  # which is less than half


def test_data_that_end_behind_l2_are_refused(data_dir):
    scan = measured(data_dir, "eelsdb/Fe3O4_FeL_199.txt")
    with pytest.raises(InvalidInput, match=r"data end at 729.25 eV: \d+\.\d eV are missing"):
        xas.eels.white_line_ratio(scan, "Fe")
    made = xas.eels.white_line_ratio(scan, "Fe", post=(4.0, 6.5), **WHOLE)
    assert float(made.l3_l2_ratio) == pytest.approx(5.0, abs=0.1)


def test_nickel_behind_lanthanum_is_refused(data_dir):
    loss, y = columns(data_dir / "eels" / "eelsdb/La2NiO4_OK_LaM_NiL_headerless_tab.msa")
    scan = spectra.from_arrays(loss, y, axis="energy_loss", name="counts", units="counts")
    scan = xas.eels.subtract_background(scan, window=(780, 820))
    with pytest.raises(InvalidInput, match="another edge, as strong as L3, stands in front of it"):
        xas.eels.white_line_ratio(scan, "Ni")
    with pytest.raises(InvalidInput, match=r"La M4 \(853 eV\) lies under Ni L3 of this sample \('La2NiO4'\)"):
        xas.eels.white_line_ratio(scan.assign_attrs(sample="La2NiO4"), "Ni")


def test_all_methods_and_their_spread(data_dir):
    scan = measured(data_dir, "exspy/LSMO_coreloss_raw.msa", (590, 635), "counts")
    made = xas.eels.white_line_ratio(scan, "Mn", method="all")
    ratios = made.ratio_by_method
    assert list(ratios.line_method.values) == [
        "double_step",
        "double_arctan",
        "second_derivative",
        "curve_fit",
    ]
    assert ((ratios > 1.5) & (ratios < 5)).all()
    assert float(made.ratio_spread) == pytest.approx(float(ratios.std(ddof=1)))
    assert float(made.ratio_spread) > 3 * float(made.l3_l2_ratio_sigma)
    assert float(ratios[0]) == float(made.l3_l2_ratio)


def test_the_sum_normalised(data_dir):
    scan = measured(data_dir, "exspy/LSMO_coreloss_raw.msa", (590, 635), "counts")
    made = xas.eels.white_line_ratio(scan, "Mn", method="normalized_sum")
    net, e3 = made.net, float(made.l3_position)
    behind = net.sel(energy_loss=slice(e3 + 50, e3 + 100)).sum() * 0.2
    assert float(made.normalized_sum) == pytest.approx(float((made.l3 + made.l2) / behind), rel=0.01)
    assert float(made.normalized_sum_sigma) > 0
