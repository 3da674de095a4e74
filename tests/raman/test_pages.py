"""The pages on Raman and on bands: every block runs, one after the other, and says what the page says."""

import re
from pathlib import Path

import matplotlib as mpl
import numpy as np

import spectra

DOCS = Path(__file__).parents[2] / "docs"


def run_blocks(name, folder, monkeypatch):
    mpl.use("Agg")
    monkeypatch.chdir(folder)
    text = (DOCS / name).read_text(encoding="utf-8")
    scope: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, name, "exec"), scope)
    for picture in re.findall(r"\(images/([\w-]+\.png)\)", text):
        assert (DOCS / "images" / picture).stat().st_size > 5_000
    for page in re.findall(r"\]\(([\w-]+\.md)\)", text):
        assert (DOCS / page).is_file(), page
    return scope, text


def test_the_page_on_bands(data_dir, tmp_path, monkeypatch, capsys):
    for place in ("pos1", "pos2"):
        (tmp_path / f"testDW38C_{place}.txt").symlink_to(
            data_dir / "raman" / "carbon" / f"testDW38C_{place}.txt"
        )
    scope, text = run_blocks("raman-bands.md", tmp_path, monkeypatch)
    said = capsys.readouterr().out
    assert scope["evidence"].together == ("v2o5", "carbon")
    assert "v2o5 supported not supported" in said
    ratios = re.findall(r"(?:two|five)_bands (?:height|area) (\d\.\d\d)", said)
    assert len(ratios) == 8
    for row, found in (("pos1", ratios[:4]), ("pos2", ratios[4:])):
        assert f"| {row} | {' | '.join(found)} |" in text
    assert int(scope["sure"].isnull().sum()) == 12
    truth = np.where(np.isnan(scope["sure"]), np.nan, scope["moved"])
    assert np.nanmax(np.abs(scope["sure"].values - truth)) < 1.0
    assert dict(scope["mixed"].species_amount.sizes) == {"y": 20, "x": 30, "species": 3}
    agreement = np.corrcoef(
        scope["mixed"].species_amount.values.reshape(-1, 3).T, scope["amounts"].reshape(-1, 3).T
    )
    assert (np.abs(agreement[:3, 3:]).max(0) > 0.99).all()
    assert (tmp_path / "map.png").stat().st_size > 5_000


def test_the_overview(tmp_path, monkeypatch, capsys):
    x = np.arange(100.0, 1100.0)
    lines = {
        str(p): {"shape": "lorentzian", "position": p, "area": 9000.0, "fwhm": 14.0}
        for p in (146, 284, 304, 404, 483, 527, 701, 994)
    }
    made = spectra.simulate(
        x, lines, background=lambda axis, _: 2000 * np.exp(-axis / 600), noise=8.0, rng=5, axis="raman_shift"
    )
    text = "# simulated\n# Raman shift (1/cm)\tintensity\n"
    text += "\n".join(f"{a:.3f}\t{b:.3f}" for a, b in zip(x, made.intensity.values, strict=True))
    (tmp_path / "cathode.txt").write_text(text)
    scope, _ = run_blocks("raman.md", tmp_path, monkeypatch)
    assert "v2o5" in capsys.readouterr().out
    assert float(scope["cathode"].phase_score.sel(phase="v2o5")) > 0.9
    assert (tmp_path / "raman.png").stat().st_size > 5_000
