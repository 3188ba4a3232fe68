"""The review on companies it was not made for: real extracts, and the sample with its truths."""

from __future__ import annotations

import json
import math

import pytest

from planning_kit.data import Region, open_inputs, prepare
from planning_kit.plan import Plan
from planning_kit.review import (
    attainment,
    bridge,
    event_effects,
    fairness,
    goal_history,
    margins,
    market_bridge,
    outside_assignments,
    proposal_bias,
    proposal_check,
    review_findings,
    unusual_deals,
)
from tests.conftest import REAL, ROOT, real_plan

TRUTH = json.loads((ROOT / "data_samples" / "truth.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def bicycles(tmp_path_factory: pytest.TempPathFactory) -> Region:
    plan = real_plan("adventureworks", tmp_path_factory.mktemp("adventureworks"))
    return open_inputs(plan, prepare(plan))


@pytest.fixture(scope="module")
def facts() -> dict:
    path = REAL / "adventureworks" / "facts.json"
    if not path.is_file():
        pytest.skip("the extracts of adventureworks do not lie beside this checkout")
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.realdata
def test_every_published_quarter_is_met_to_the_cent(bicycles, facts):
    history = goal_history(bicycles).set_index("goal_period")
    for day, known in facts["quota_vs_actual_by_quota_date"].items():
        row = history.loc[day]
        assert row["goal"] == known["quota"]
        assert row["actual"] == pytest.approx(known["actual"], abs=0.01)
        assert row["attainment"] == pytest.approx(known["attainment"], abs=5e-5)
    assert int(history["reached"].sum()) == facts["quota_periods_met_or_beaten"]
    assert int(history["people"].sum()) == facts["quota_periods_with_quota"]


@pytest.mark.realdata
def test_people_lines_and_territories_have_the_published_sums(bicycles, facts):
    people = attainment(bicycles, ("rep_id",), years="all").set_index("rep_id")
    for rep, known in facts["by_salesperson_all_time"].items():
        assert people.loc[rep, "goal"] == known["quota_total"]
        assert people.loc[rep, "actual"] == pytest.approx(known["sales"], abs=0.01)
    lines = margins(bicycles, ("product_line",), years="all").set_index("product_line")
    for line, known in facts["by_category"].items():
        assert lines.loc[line, "amount"] == pytest.approx(known["sales"], abs=0.01)
        assert lines.loc[line, "margin_share"] == pytest.approx(known["margin_pct"], abs=5e-5)
    places = margins(bicycles, ("territory_id",), years="all")
    total = bicycles.territories.merge(places, on="territory_id").set_index("territory_name")
    for name, known in facts["sales_by_territory"].items():
        assert total.loc[name, "amount"] == pytest.approx(known, abs=0.01)


@pytest.mark.realdata
def test_the_review_sees_by_itself_what_is_wrong_with_the_bicycle_company(bicycles):
    table = review_findings(bicycles).set_index("finding_id")
    level = table.loc["review.level", "message"]
    assert table.index[0] == "review.level" and "84% of target over 3 years" in level
    assert "all 17 people below" in level and "80% to 89% in all 12" in level
    assert "8 of 163" in level
    # seen in the monthly tables: two branches of May 2013, two territories exchanged in autumn 2012
    new = table.loc["review.new_units", "message"]
    assert "Germany (since May 2013" in new and "Australia (since May 2013" in new
    assert "+8.5% instead of +19.1%" in new
    assert (
        "Michael Blythe has sold in Southwest since November 2012"
        in table.loc["review.taken_over", "message"]
    )
    assert "from 3.2% to -1.5%" in table.loc["review.falling_margin", "message"]
    assert "Bikes" in table.loc["review.below_cost.product_line", "message"]
    taken = table.loc["review.territory_taken.280.1", "message"]
    assert "Pamela Ansman-Wolfe" in taken and "2012-09-29" in taken
    outside = outside_assignments(bicycles).set_index(["rep_id", "territory_id"])
    assert outside.loc[("280", "1"), "amount_share"] == pytest.approx(1.0)


@pytest.fixture
def instruments(sample: Plan) -> Region:
    return open_inputs(sample, prepare(sample))


def test_the_planted_truths_of_the_sample_are_found(instruments):
    truth = TRUTH["competitor"]
    event = event_effects(instruments).set_index("event_id").loc["E1"]
    assert event["effect_share"] == pytest.approx(truth["effect_share"], abs=truth["tolerance"])
    assert event["low_share"] < truth["effect_share"] < event["high_share"]
    assert (event["affected"], event["verdict"]) == (len(truth["territories"]), "lost sales")

    price = bridge(instruments, ("product_id",)).set_index("product_id").loc["P05"]
    ratio = price["after"] / (price["after"] - price["price"])
    cut = TRUTH["price_cut"]
    assert ratio == pytest.approx(cut["price_ratio"], abs=cut["tolerance"])

    ratchet = TRUTH["ratchet"]
    found = fairness(instruments).set_index("test").loc["ratchet"]
    steps = ratchet["after_over"] - ratchet["after_under"]
    assert found["verdict"] == "biased"
    assert found["value"] == pytest.approx(steps, abs=ratchet["tolerance"])

    bias = proposal_bias(instruments).set_index("rep_id")["own_bias"]
    for rep, factor in TRUTH["proposals"]["factor"].items():
        assert bias[rep] == pytest.approx(-math.log(factor), abs=0.12)  # two years of noise: 0.06
    check = proposal_check(instruments).set_index("year").loc["all"]
    assert check["adjusted_error_share"] <= check["raw_error_share"]
    assert abs(check["adjusted_bias_share"]) < 0.02
    assert unusual_deals(instruments)["amount"].sum() < 0.002 * instruments.sales["amount"].sum()
    market = market_bridge(instruments).iloc[0]
    assert market[["market", "coverage", "share", "other"]].sum() == pytest.approx(
        market["difference"], abs=0.01
    )

    products = bridge(instruments, ("product_id",)).set_index("product_id")
    assert products.index[products["new"] > 0].tolist() == [TRUTH["new_product"]["product_id"]]
    gone = products.index[products["discontinued"] < 0].tolist()
    assert gone == [TRUTH["withdrawn_product"]["product_id"]]
