"""The page on preparation: every block runs, one after the other, on the measured files that it names."""

import re

from tests.raman.test_pages import run_blocks

CALIBRATION = ("Ho785_Neon.txt", "Ho785_Si_S0B.txt", "Ho785_polystyrene.txt")


def test_its_blocks_run_and_say_what_it_says(data_dir, tmp_path, monkeypatch, capsys):
    for name in CALIBRATION:
        (tmp_path / name).symlink_to(data_dir / "raman" / "calib" / name)
    (tmp_path / "map_plastics_29x287x672.h5").symlink_to(data_dir / "raman" / "map_plastics_29x287x672.h5")
    scope, _ = run_blocks("raman-preparation.md", tmp_path, monkeypatch)
    said = capsys.readouterr().out
    assert "15 of 15 lines of neon, silicon, degree 2" in said
    silicon = float(re.search(r"silicon: \+(\d\.\d) ± 0\.7", said)[1])
    film = float(re.search(r"polystyrene: -(\d\.\d) ± 0\.7", said)[1])
    assert (1.4 <= film <= silicon <= 1.6) or (1.4 <= silicon <= film <= 1.6)
    assert 0.25 < float(scope["film"].raman_shift_sigma.sel(raman_shift=1001, method="nearest")) < 0.35
    assert int(scope["beside"].spike.values[5, 276].sum()) == 6
    assert 0 < int(scope["beside"].n_spikes.isel(y=23, x=257)) < 8
    assert int((scope["beside"].n_spikes > 0).sum()) < 20
    assert "arpls ran compiled" in said
    assert not scope["flat"].net.isnull().any()
    assert float((scope["shape"].norm ** 2).sum("raman_shift").max()) < 1.001
    assert "net" in scope["one"]
