"""Four published analyses on simulated files: what is printed comes out again, and what is questionable is named."""

import pytest

from spectra.dataset import failed
from spectra.demo import list_demos
from spectra.pipeline import run
from spectra.published import recover

DEMOS = {name: demo for name, demo in list_demos().items() if demo.case}
SLOW = ("d-eels", "d-rixs", "d-xas-mn", "xas")
#: Rule and subject of what the audit has to name; texts of other questions.
QUESTIONED = {
    "xps": {"A17 warning: Mn 2p Mn3+", "A17 warning: Mn 2p Mn4+", "A31 warning: Mn 2p"},
    "b-raman": {"these bands do not support v2o3 but v2o5 and carbon"},
    "b-xps-vanadium": {"A20 error: O 1s oxygen vacancy", "A25 warning: V 2p3/2 V3+", "A25 warning: V 2p3/2 V2+"},
    "b-xps-carbon": {"A28 warning: C 1s C=O", "A28 warning: C 1s C-O"},
    "c-xps-vanadium": {"A25 warning: V 2p3/2 VN"},
    "d-xps-oxygen": {"A25 warning: O 1s adsorbed", "A25 warning: O 1s lattice"},
    "d-rixs": {"RIXS"},
}  # fmt: skip


def analysed(name, folder):
    demo = DEMOS[name]
    files = demo.write_inputs(folder)
    assert all("SIMULATED" in file.read_bytes().decode("latin-1") for file in files)
    return run(demo.recipe, files, attrs={"simulated": "yes"})


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.long] * (n in SLOW)) for n in DEMOS])
def test_everything_printed_is_recovered_and_questioned(name, tmp_path):
    demo, found = DEMOS[name], analysed(name, tmp_path)
    assert demo.printed
    compared = [recover(found, printed) for printed in demo.printed]
    assert [f"{r.printed.what}: {r.found} ± {r.sigma}" for r in compared if not r.agrees] == []
    assert int(failed(found).sum()) == (1 if name == "d-eels" else 0)  # the line scan has a dead spectrum
    asked = list(demo.questions(found)) if demo.questions else []
    for start in QUESTIONED.get(name, ()):
        assert any(question.startswith(start) for question in asked), start


def test_every_case_is_there_with_its_source():
    assert {demo.case for demo in DEMOS.values()} == {"A", "B", "C", "D"}
    for demo in DEMOS.values():
        words = "an accepted manuscript without DOI" if demo.case == "D" else "doi:10."
        assert f"simulated from figures published in {words}" in demo.statement
        assert {printed.status for printed in demo.printed} <= {"read", "chosen"}
        assert all(printed.source for printed in demo.printed)


def test_manganese_on_lithium_is_a_limit_and_no_absence(tmp_path):
    found = analysed("a-xps-lithium", tmp_path)
    assert 0 < float(found.detection_limit) < 1000
