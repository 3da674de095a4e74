"""The verdict on order: right where the truth is known, undecided where it cannot be, with its evidence."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.special import logsumexp

import raman
import spectra
from raman.order.doublet import doublet_evidence
from raman.order.infrared import infrared_bands
from raman.order.lines import find_lines, log_presence
from raman.order.rows import ROWS, combined, infrared_rows
from raman.tables import load_table
from spectra.dataset import failed, flag_names
from tests.raman.ordering_samples import SHIFT, draw, draw_infrared, infrared, lnmo


@pytest.mark.parametrize("kind", ["ordered", "disordered"])
def test_a_clear_spectrum_is_judged(kind):
    result = raman.diagnose_ordering(lnmo(kind))
    assert result.verdict.item() == kind
    assert result.ordering_probability.sel(order=kind) > 0.95
    np.testing.assert_allclose(result.ordering_probability.sum(), 1.0)
    if kind == "ordered":
        assert abs(result.splitting - 24.0) < 3 * result.splitting_sigma
        assert result.evidence_value.sel(evidence="low-frequency lines") == 3
        assert result.evidence_value.sel(evidence="F2g(3) AICc") > 100
    else:
        assert result.splitting_limit <= 14
        assert result.evidence_value.sel(evidence="low-frequency lines") == 0


def test_the_verdict_leads_the_table():
    data = lnmo("ordered", n=2)
    data = data.drop_vars([n for n in data if str(n).startswith("true")]).drop_vars("component")
    table = raman.diagnose_ordering(data).spectra.table()
    assert list(table.columns[:3]) == ["scan", "verdict", "ordering_probability[ordered]"]


def test_noise_makes_it_undecided_and_says_so():
    result = raman.diagnose_ordering(lnmo("disordered", noise=0.25, n=4))
    assert set(result.verdict.values) == {"undecided"}
    assert "ordering_undecided" in result.status.attrs["flag_meanings"]
    assert not failed(result).any()


def test_a_single_band_and_a_doublet_together_are_not_called_either():
    result = raman.diagnose_ordering(lnmo("mixed", noise=0.003))
    assert result.verdict.item() in ("mixed", "undecided")
    assert result.ordering_probability.sel(order="disordered") < 0.01


def test_raman_and_infrared_add_up():
    weak = raman.diagnose_ordering(lnmo("ordered", noise=0.12))
    both = raman.diagnose_ordering(lnmo("ordered", noise=0.12), infrared=infrared(1.4, extra=0.3))
    assert list(both.evidence.values) == list(ROWS)
    assert both.ordering_probability.sel(order="disordered") < weak.ordering_probability.sel(
        order="disordered"
    )
    total = both.evidence_weight.sum("evidence")
    expected = np.exp(total - logsumexp(total))
    np.testing.assert_allclose(both.ordering_probability, expected, rtol=1e-9)


@pytest.mark.parametrize(("ratio", "extra", "kind"), [(0.6, 0.0, "disordered"), (1.5, 0.3, "ordered")])
def test_infrared_alone(ratio, extra, kind):
    result = raman.diagnose_ordering(infrared(ratio, extra=extra), prior=(1, 1, 0))
    assert result.verdict.item() == kind
    row = result.sel(evidence="I(587)/I(621)")
    assert abs(row.evidence_value - ratio) < 3 * row.evidence_value_sigma
    assert result.evidence_value.sel(evidence="bands at 464, 430") == (2 if extra else 0)


def test_raman_against_infrared_is_undecided():
    clash = raman.diagnose_ordering(lnmo("ordered"), infrared=infrared(0.6))
    assert clash.verdict.item() == "undecided"
    weights = clash.evidence_weight.sel(order="ordered")
    assert weights.sel(evidence="F2g(3) splitting") > 5
    assert weights.sel(evidence="I(587)/I(621)") < -3
    assert (clash.verdict_raman.item(), clash.verdict_infrared.item()) == ("ordered", "disordered")
    assert flag_names(clash) == ["raman_infrared_disagree"]


def test_a_stronger_infrared_does_not_outvote_raman():
    """Rows add up to a sure "disordered" here: two techniques that are sure of different answers have none."""
    clash = raman.diagnose_ordering(lnmo("ordered", first=540.0), infrared=infrared(0.6))
    assert clash.ordering_probability.sel(order="disordered") > 0.95
    assert clash.verdict.item() == "undecided"
    assert flag_names(clash) == ["raman_infrared_disagree"]
    figure = raman.plot_ordering(clash)
    assert "Raman alone: ordered,  infrared alone: disordered" in figure.get_suptitle()
    plt.close(figure)


def test_one_that_is_not_sure_leaves_the_verdict_to_the_other(tmp_path):
    series = lnmo("disordered", noise=0.25, n=2)
    series.intensity[1] = np.nan
    both = raman.diagnose_ordering(series, infrared=infrared(0.6))
    assert both.verdict_raman.values.tolist() == ["undecided", "undecided"]
    assert set(both.verdict_infrared.values) == {"disordered"}
    assert both.verdict.values.tolist() == ["disordered", "disordered"]
    for kind in ("raman", "infrared"):
        alone = raman.diagnose_ordering(series if kind == "raman" else infrared(0.6))
        assert (both[f"verdict_{kind}"] == alone.verdict).all()
        assert "verdict_raman" not in alone
    both.spectra.save(tmp_path / "both.nxs")
    assert (spectra.load(tmp_path / "both.nxs").verdict_infrared == both.verdict_infrared).all()
    assert "verdict_infrared" not in raman.diagnose_ordering(both)


def test_the_position_of_a1g_needs_a_calibrated_axis():
    free, known = (
        raman.diagnose_ordering(lnmo("disordered")),
        raman.diagnose_ordering(lnmo("disordered"), shift_sigma=0.4),
    )
    assert np.isnan(free.evidence_value.sel(evidence="A1g position"))
    assert "not calibrated" in " ".join(free.spectra.history[-1]["notes"])
    row = known.sel(evidence="A1g position")
    assert abs(row.evidence_value - 633) < 3 * row.evidence_value_sigma
    assert row.evidence_value_sigma > 0.4


def test_what_is_not_verified_is_said():
    result = raman.diagnose_ordering(lnmo("ordered"))
    assert "to be verified in: F2g(3) splitting" in " ".join(result.spectra.history[-1]["notes"])
    assert result.evidence_status.sel(evidence="F2g(3) splitting") == "to-verify"


def test_a_dead_and_a_flat_spectrum_are_flagged_and_the_others_judged():
    data = lnmo("ordered", n=3)
    data.intensity[1] = np.nan
    data.intensity[2] = 1.0
    result = raman.diagnose_ordering(data)
    assert list(failed(result).values) == [False, True, True]
    assert list(result.verdict.values) == ["ordered", "undecided", "undecided"]
    assert np.isnan(result.ordering_probability[1:]).all()


def test_the_verdict_survives_the_file(tmp_path):
    result = raman.diagnose_ordering(lnmo("ordered", n=2))
    result.spectra.save(tmp_path / "order.nxs")
    again = spectra.load(tmp_path / "order.nxs")
    assert list(again.verdict.values) == list(result.verdict.values)
    np.testing.assert_array_equal(again.ordering_probability, result.ordering_probability)
    assert list(again.evidence_meaning.values) == list(result.evidence_meaning.values)


def test_scale_and_offset_of_the_intensity_do_not_matter():
    y, sigma, _ = draw(6, np.random.default_rng(3))
    one, other = doublet_evidence(SHIFT, y, sigma), doublet_evidence(SHIFT, 1000 * y + 5000, 1000 * sigma)
    np.testing.assert_allclose(other.two, one.two, rtol=1e-4, atol=1e-3)


def test_presence_is_the_ratio_of_averaged_likelihoods():
    a, s, t = 0.3, 0.1, 0.2  # slow and obvious
    h = np.linspace(0, 4, 400_001)
    prior = 2 * np.exp(-0.5 * (h / t) ** 2) / np.sqrt(2 * np.pi) / t
    there = np.trapezoid(prior * np.exp(-0.5 * ((a - h) / s) ** 2), h)
    np.testing.assert_allclose(log_presence(a, s, t), np.log(there / np.exp(-0.5 * (a / s) ** 2)), rtol=1e-6)


def test_noise_counts_as_a_line_at_the_stated_rate():
    x = np.arange(90.0, 300.0, 1.5)
    y = np.random.default_rng(4).normal(size=(6000, x.size)) + 0.02 * x
    found = find_lines(
        x, y, np.ones(x.size), [160.0, 240.0], reach=5.0, widths=[6.0, 10.0], height=3.0, false_alarms=0.05
    )
    rate = (found.signal_to_noise > found.threshold).mean(0)
    np.testing.assert_allclose(rate, 0.05, atol=4 * np.sqrt(0.05 * 0.95 / 6000))
    outside = find_lines(x, y[:2], np.ones(x.size), [60.0], reach=5.0, widths=[6.0], height=1.0)
    assert np.isnan(outside.height).all()


def test_infrared_ratios_cover():
    rng = np.random.default_rng(5)
    x = np.arange(545.0, 715.0)
    clean = infrared(0.8, noise=0.0).absorbance.sel(wavenumber=x).values
    y = clean + rng.normal(0, 0.03, (700, x.size))
    seen = infrared_bands(x, y, np.full(x.size, 0.03))
    assert 0.63 < (np.abs(seen.ratio - 0.8) < seen.ratio_sigma).mean() < 0.73


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"splitting": (30.0, 10.0)}, "splitting must be two ascending numbers"),
        ({"confidence": 0.4}, "confidence must lie between 0.5 and 1, got 0.4"),
        ({"shift_sigma": -1.0}, "shift_sigma must be a number of 1/cm from 0 to 20"),
        ({"prior": (0.0, 0.0, 0.0)}, "prior must be three weights"),
        ({"false_alarms": 0.9}, "false_alarms must lie between 0.001 and 0.5"),
        ({"variable": "nett"}, "no variable 'nett' along raman_shift"),
        ({"infrared": lnmo("ordered")}, "infrared must lie along wavenumber, it lies along raman_shift"),
    ],
)
def test_bad_options_are_refused_in_a_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        raman.diagnose_ordering(lnmo("ordered"), **options)


def test_spectra_that_cannot_tell_are_refused():
    with pytest.raises(ValueError, match="raman evidence needs 560 to 670 1/cm"):
        raman.diagnose_ordering(lnmo("ordered", first=610.0))
    percent = infrared(0.6).rename({"absorbance": "transmittance"}).assign_attrs(signal="transmittance")
    with pytest.raises(ValueError, match="needs absorbance, and this spectrum is transmittance"):
        raman.diagnose_ordering(percent)
    with pytest.raises(ValueError, match="give the Raman spectra first"):
        raman.diagnose_ordering(infrared(0.6), infrared=infrared(0.6))


def _answers(n, seed, **kwargs):
    splitting = kwargs.get("splitting", (10.0, 30.0))
    y, sigma, truth = draw(n, np.random.default_rng(seed), **kwargs)
    seen = doublet_evidence(SHIFT, y, sigma, splitting=splitting, shift_sigma=kwargs.get("shift", 0.0))
    weights = np.stack([np.zeros(n), seen.two, seen.both])
    weights[:, np.isnan(weights).any(0)] = 0.0  # undecided
    return np.exp(weights - logsumexp(weights, axis=0)), truth, seen


@pytest.mark.long
@pytest.mark.parametrize(("splitting", "shift"), [((10.0, 30.0), 3.0), ((1.0, 30.0), 0.0)])
def test_probabilities_are_what_they_say(splitting, shift):
    """Reliability within five points where the count allows to see it; confident verdicts wrong in less than 1 %."""
    probability, truth, _ = _answers(700, 6, splitting=splitting, shift=shift)
    for number, said in enumerate(probability):
        true = truth["kind"] == number
        for low in np.arange(0.0, 1.0, 0.2):
            inside = (said >= low) & (said < low + 0.2)
            if inside.sum() > 20:
                allowed = 0.05 + 2.5 * np.sqrt(said[inside].mean() * (1 - said[inside].mean()) / inside.sum())
                assert abs(true[inside].mean() - said[inside].mean()) < allowed, (number, low)
    assert np.abs(_pooled(probability, np.arange(3)[:, None] == truth["kind"])).max() < 0.05
    sure = probability.max(0) > 0.95
    wrong = probability.argmax(0) != truth["kind"]
    assert (sure & wrong).mean() < 0.01
    assert sure.mean() > 0.02


def _pooled(said, true):
    """Frequency of the truth less the stated probability, over all three answers, per fifth of the scale."""
    fifth = np.clip((said * 5).astype(int), 0, 4)
    return np.array([(true - said)[fifth == i].mean() for i in range(5)])


@pytest.mark.long
def test_probabilities_from_infrared_are_what_they_say():
    x, y, sigma, kind = draw_infrared(3000, np.random.default_rng(31))
    made = combined(infrared_rows(x, y, sigma, false_alarms=0.01), (1.0, 1.0, 1.0))
    judged = made["missing"] < 0.5
    said = made["ordering_probability"][judged]  # ordered, disordered, mixed
    true = np.eye(3)[np.array([1, 0, 2])[kind[judged]]]
    assert judged.mean() > 0.9
    assert np.abs(_pooled(said, true)).max() < 0.05
    sure = said.max(1) > 0.95
    assert (sure & (true[np.arange(len(said)), said.argmax(1)] == 0)).mean() < 0.01
    assert sure.mean() > 0.1


@pytest.mark.long
def test_positions_and_splittings_cover():
    _, truth, seen = _answers(400, 7, splitting=(16.0, 30.0), snr=(20.0, 100.0), kinds=(1,))
    within = np.abs(seen.a1g - truth["a1g"]) < seen.a1g_sigma
    assert 0.6 < within.mean() < 0.76  # 400 spectra: 0.68 ± 0.023
    known = np.isfinite(seen.splitting_sigma) & (seen.splitting_sigma < 4)
    within = np.abs(seen.splitting - truth["splitting"]) < seen.splitting_sigma
    assert 0.6 < within[known].mean() < 0.76


def test_the_evidence_as_a_table_and_as_a_picture():
    result = raman.diagnose_ordering(lnmo("ordered", n=2))
    table = raman.ordering_evidence(result, scan=1)
    assert list(table.index) == list(result.evidence.values)
    assert table.loc["F2g(3) splitting", "status"] == "to-verify"
    np.testing.assert_allclose(table.ordered, result.evidence_weight.isel(scan=1).sel(order="ordered"))
    figure = raman.plot_ordering(result, scan=0)
    assert "ordered" in figure.get_suptitle()
    assert not figure.axes[0].xaxis_inverted()
    plt.close(figure)
    wavenumbers = raman.plot_ordering(raman.diagnose_ordering(infrared(0.6))).axes[0]
    assert wavenumbers.xaxis_inverted()  # as the field draws them
    plt.close(wavenumbers.figure)
    with pytest.raises(ValueError, match="which spectrum is not said; give scan=0"):
        raman.ordering_evidence(result)
    with pytest.raises(ValueError, match="call raman.diagnose_ordering first"):
        raman.plot_ordering(lnmo("ordered"))


def test_the_page_on_order(tmp_path, monkeypatch, capsys):
    text = (Path(__file__).parents[2] / "docs" / "raman-ordering.md").read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, "raman-ordering.md", "exec"), scope)
    said = capsys.readouterr().out
    assert said.startswith("ordered")
    assert said.endswith("undecided ordered disordered\n")
    assert flag_names(scope["both"]) == ["raman_infrared_disagree"]
    assert (tmp_path / "ordering.png").stat().st_size > 5_000
    trust = load_table("ordering")["trust"]
    for row, said in (("doublet", "6.4"), ("lines", "3.3"), ("ratio", "4.1"), ("extra", "4.1")):
        t = trust[row]["value"]
        assert f"{np.log((t + (1 - t) / 3) / ((1 - t) / 3)):.1f}" == said
        assert f"| {said}" in text
