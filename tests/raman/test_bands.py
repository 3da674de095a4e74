"""The table of bands: complete, sourced, honest about what nobody has checked; a user's own table; the listing."""

import pytest

from raman.bands.table import find_phase, list_phases, listing, read_phases
from raman.tables import load_table
from spectra.errors import InvalidInput

STATUSES = {"read", "secondary", "computed", "to-verify", "conflicting"}
PHASES = [p for technique in ("raman", "ftir") for p in list_phases(technique).values()]


@pytest.mark.parametrize("phase", PHASES, ids=lambda p: f"{p.name}-{p.technique}")
def test_every_band_has_range_width_source_and_status(phase):
    assert phase.title
    assert phase.family
    assert [b.position for b in phase.bands] == sorted(b.position for b in phase.bands)
    for band in phase.bands:
        assert band.status in STATUSES, f"{band.name} of {phase.name}: status {band.status!r}"
        assert band.source, f"{band.name} of {phase.name} has no source"
        assert band.range[0] <= band.position <= band.range[1]
        assert 0 < band.fwhm_range[0] <= band.fwhm <= band.fwhm_range[1]
        assert band.intensity in {"", "s", "m", "w", "sh"}
        for other in band.also:
            assert {"value", "source", "status"} <= set(other)
            assert other["status"] in STATUSES


@pytest.mark.parametrize("entry", load_table("bands")["phase"], ids=lambda e: f"{e['name']}-{e['technique']}")
def test_a_band_with_a_source_of_its_own_was_not_read_where_the_phase_was(entry):
    """A status that it does not say is the phase's, and must not call another source read."""
    borrowed = [
        f"{band['name']} of {entry['name']} names the source {band['position']['source']!r}: say its status, too"
        for band in entry["bands"]
        if "source" in band["position"] and "status" not in band["position"]
        if entry["status"] != "to-verify"
    ]
    assert not borrowed, "; ".join(borrowed)


def test_what_is_asked_of_the_table_is_there():
    asked = {
        "lnmo-ordered", "lnmo-disordered", "limn2o4", "lambda-mno2", "beta-mno2", "alpha-mno2", "birnessite", "mn2o3",
        "mn3o4", "licoo2", "nmc", "li2mno3", "v2o3", "vo2", "v2o5", "carbon", "carbon-five", "lifepo4", "li2co3",
        "silicon",
    }  # fmt: skip
    assert asked <= set(list_phases())
    assert {"lnmo-ordered", "lnmo-disordered"} <= set(list_phases("ftir"))


def test_ordered_positions_are_not_called_checked():
    for technique in ("raman", "ftir"):
        ordered = find_phase("lnmo-ordered", technique)
        assert set(ordered.to_verify) == {b.name for b in ordered.bands}
    assert find_phase("lnmo").to_verify == ()


def test_conflicting_values_stand_side_by_side():
    a1g = find_phase("licoo2").bands[1]
    assert a1g.position == 589.5
    assert [(o["value"], o["status"]) for o in a1g.also] == [(545.0, "conflicting")]
    assert find_phase("silicon").bands[0].position == 520.45


def test_heating_products_name_phases_of_the_table():
    for phase in PHASES:
        for parent in phase.heating_product_of:
            assert find_phase(parent).technique == "raman"
    assert "beta-mno2" in find_phase("mn3o4").heating_product_of
    assert find_phase("acetylide").heating_product_of == ("li2co3",)


def test_a_table_of_ones_own(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('[[phase]]\nname = "mine"\nbands = [510.0, { name = "b", position = 300, fwhm = 10 }]\n')
    (mine,) = read_phases(file)
    assert [(b.name, b.position, b.range) for b in mine.bands] == [
        ("b", 300, (292, 308)),
        ("510", 510, (502, 518)),
    ]
    assert mine.bands[0].fwhm_range == (2, 50)
    assert (mine.technique, mine.bands[0].status) == ("raman", "")
    assert read_phases({"phase": load_table("bands")["phase"][:1]})[0] == find_phase("lnmo")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has no \\[\\[phase\\]\\]"),
        ("[[phase]]\nname = 'a'\n", "needs name and bands"),
        ("[[phase]]\nname = 'a'\nbnads = [1]\n", "no 'bnads'; did you mean 'bands'"),
        ("[[phase]]\nname = 'a'\nbands = ['x']\n", "must be a number or a table"),
        ("[[phase]]\nname = 'a'\nbands = [{ name = 'b' }]\n", "needs a position in 1/cm"),
        ("[[phase]]\nname = 'a'\nbands = [{ position = 5, widht = 3 }]\n", "no 'widht'"),
        ("[[phase]]\nname = 'a'\nbands = [{ position = { value = 5, range = [6, 7] } }]\n", "outside its range"),
        ("[[phase]]\nname = 'a'\nbands = [5, 5]\n", "two bands called '5'"),
        ("phase = ", "is no TOML file"),
    ],
)  # fmt: skip
def test_a_table_that_does_not_hold_bands(tmp_path, text, sentence):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=sentence):
        read_phases(file)


def test_what_is_not_there():
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_phases("/nowhere/bands.toml")
    with pytest.raises(InvalidInput, match="no bands called 'lnno' for raman; did you mean 'lnmo'"):
        find_phase("lnno")


def test_the_listing_shows_all_and_one():
    headers, *rows = listing("")
    assert len(rows) == len(load_table("bands")["phase"])
    assert all(len(row) == len(headers) for row in rows)
    headers, *rows = listing("lnmo")
    assert {row[1] for row in rows} == {"raman", "ftir"}
    assert all(len(row) == len(headers) for row in rows)
    with pytest.raises(InvalidInput, match="did you mean"):
        list(listing("v2o55"))


def test_the_command_line_lists_them():
    from typer.testing import CliRunner

    from spectra.cli import app

    result = CliRunner().invoke(app, ["list", "bands", "v2o3"])
    assert result.exit_code == 0
    assert "10.3390/coatings12050649" in result.stdout
