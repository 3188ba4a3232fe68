"""The invented company: made the same every time, believable, and its planted truths are there.

Every estimate below is plain pandas and uses nothing of the package, so that a tool which finds
another number in the sample has this as its referee.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

SAMPLES = Path(__file__).resolve().parents[1] / "data_samples"
EXTRACTS = SAMPLES / "data"
TRUTH: dict[str, Any] = json.loads((SAMPLES / "truth.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def made_again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("again")
    command = [sys.executable, str(SAMPLES / "generate.py"), "--out", str(folder)]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    return folder


def extract(name: str, *dates: str) -> pd.DataFrame:
    return pd.read_csv(EXTRACTS / f"{name}.csv", parse_dates=list(dates), keep_default_na=True)


@pytest.fixture(scope="module")
def reps() -> pd.DataFrame:
    return extract("reps", "hired_on", "left_on").set_index("rep_id")


@pytest.fixture(scope="module")
def territories() -> pd.DataFrame:
    table = pd.read_excel(EXTRACTS / "territories.xlsx", engine="calamine")
    return table.set_index("territory_id")


@pytest.fixture(scope="module")
def assignments() -> pd.DataFrame:
    return extract("assignments", "starts_on", "ends_on")


@pytest.fixture(scope="module")
def sales(territories: pd.DataFrame) -> pd.DataFrame:
    lines = extract("sales", "sold_on")
    products = extract("products").set_index("product_id")
    return lines.assign(
        year=lines["sold_on"].dt.year,
        month=lines["sold_on"].dt.month,
        credited=lines["amount"] * lines["credit_share"],
        region=lines["territory_id"].map(territories["region"]),
        product_line=lines["product_id"].map(products["product_line"]),
    )


@pytest.fixture(scope="module")
def goals(reps: pd.DataFrame) -> pd.DataFrame:
    table = extract("goals", "starts_on", "ends_on")
    return table.assign(year=table["starts_on"].dt.year, region=table["rep_id"].map(reps["region"]))


@pytest.fixture(scope="module")
def opportunities() -> pd.DataFrame:
    return extract("opportunities", "created_on", "presented_on", "proposed_on", "closed_on")


@pytest.fixture(scope="module")
def undisturbed(assignments: pd.DataFrame) -> list[str]:
    """Territories where nobody came or went in three years."""
    changed = (assignments["starts_on"] > "2023-01-01") | assignments["ends_on"].notna()
    return sorted(set(assignments["territory_id"]) - set(assignments.loc[changed, "territory_id"]))


# --- the files -------------------------------------------------------------------------------


def test_the_generator_makes_every_file_again_byte_by_byte(made_again: Path) -> None:
    names = sorted(path.name for path in EXTRACTS.iterdir())
    assert sorted(path.name for path in (made_again / "data").iterdir()) == names
    for name in [name for name in names if name.endswith(".csv")]:
        assert (made_again / "data" / name).read_bytes() == (EXTRACTS / name).read_bytes(), name
    assert (made_again / "truth.json").read_bytes() == (SAMPLES / "truth.json").read_bytes()


def test_the_workbook_made_again_has_the_same_cells(made_again: Path) -> None:
    # Cells, not bytes: another release of the workbook writer may phrase its XML differently.
    made, kept = (
        pd.read_excel(folder / "territories.xlsx", sheet_name="Territories", engine="calamine")
        for folder in (made_again / "data", EXTRACTS)
    )
    pd.testing.assert_frame_equal(made, kept)


def test_the_sample_stays_small() -> None:
    size = sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file())
    extracts = sum(path.stat().st_size for path in EXTRACTS.iterdir())
    assert extracts < 6_000_000
    # Runs of the plan may lie beside the sample while somebody works with it.
    assert size < 8_000_000 or (SAMPLES / "runs").exists() or (SAMPLES / ".prepared").exists()


def test_only_the_proposals_need_reader_options() -> None:
    text = (EXTRACTS / "proposals.csv").read_bytes().decode("cp1252")
    assert text.splitlines()[0] == "Rep No;Rep Name;From;To;Proposed (€)"
    assert re.fullmatch(r"R001;Anna Weber;01\.01\.2024;31\.12\.2024;\d+,\d\d", text.splitlines()[1])
    with pytest.raises(UnicodeDecodeError):
        (EXTRACTS / "proposals.csv").read_bytes().decode("utf-8")
    for path in EXTRACTS.glob("*.csv"):
        if path.name != "proposals.csv":
            assert "\r" not in path.read_bytes().decode("utf-8"), path.name


# --- people and places -----------------------------------------------------------------------


def test_six_regions_thirty_territories_and_a_manager_for_each_region(
    reps: pd.DataFrame, territories: pd.DataFrame
) -> None:
    assert territories.groupby("region").size().tolist() == [5] * 6
    managers = reps[reps["role"] == "manager"]
    assert sorted(managers["region"]) == sorted(territories["region"].unique())
    assert managers["manager_id"].unique().tolist() == ["H01"]
    sellers = reps[reps["role"] == "rep"]
    assert len(sellers) == TRUTH["people"]["ever"]
    assert (sellers["region"] == sellers["manager_id"].map(managers["region"])).all()


def test_active_people_stay_within_a_narrow_band(reps: pd.DataFrame) -> None:
    sellers = reps[reps["role"] == "rep"]
    for day in pd.date_range("2023-01-15", "2025-12-15", freq="MS") + pd.Timedelta(days=14):
        here = sellers[(sellers["hired_on"] <= day) & ~(sellers["left_on"] < day)]
        assert 65 <= len(here) <= 70
        assert here.groupby("region").size().between(10, 14).all()


def test_names_hold_an_apostrophe_other_letters_and_two_namesakes(reps: pd.DataFrame) -> None:
    names = reps["rep_name"]
    assert names.str.contains("O'Brien").sum() == 1
    assert (~names.map(str.isascii)).sum() >= 3
    twice = names[names.duplicated(keep=False)]
    assert sorted(twice.index) == TRUTH["people"]["namesakes"]
    assert reps.loc[twice.index, "region"].nunique() == 2


def test_nobody_holds_a_territory_before_being_hired_or_after_leaving(
    reps: pd.DataFrame, assignments: pd.DataFrame
) -> None:
    hired = assignments["rep_id"].map(reps["hired_on"])
    left = assignments["rep_id"].map(reps["left_on"])
    assert (assignments["starts_on"] >= hired).all()
    assert (
        assignments["ends_on"].isna() | (assignments["ends_on"] >= assignments["starts_on"])
    ).all()
    last = assignments.groupby("rep_id")["ends_on"].agg(lambda days: days.max(skipna=False))
    gone = reps["left_on"].dropna()
    assert (last[gone.index] == gone).all()
    assert (left.isna() | (assignments["ends_on"] <= left)).all()


def test_shares_of_a_territory_add_up_to_one_except_while_a_seat_is_empty(
    reps: pd.DataFrame, assignments: pd.DataFrame
) -> None:
    empty_months = 0.0
    for day in pd.date_range("2023-01-01", "2025-12-01", freq="MS"):
        held = assignments[(assignments["starts_on"] <= day) & ~(assignments["ends_on"] < day)]
        assert held["rep_id"].is_unique
        total = held.groupby("territory_id")["share"].sum()
        assert len(total) == 30
        assert (total <= 1 + 1e-9).all()
        missing = total[total < 1 - 1e-9].index
        left = assignments[assignments["territory_id"].isin(missing)]["rep_id"].map(reps["left_on"])
        assert (left < day).sum() >= len(missing)
        empty_months += len(missing)
    leavers = sum(year["leavers"] for year in TRUTH["turnover"]["by_year"].values())
    filled = TRUTH["turnover"]["vacancy_months_mean"] * (leavers - 1)  # one has no successor yet
    in_2026, still_open = 1, 1  # months of the signed successor; months of the open seat
    assert empty_months == pytest.approx(filled - in_2026 + still_open, abs=0.1)


def test_turnover_and_vacancy_are_what_the_truth_says(
    reps: pd.DataFrame, assignments: pd.DataFrame
) -> None:
    gone = reps["left_on"].dropna()
    for year, truth in TRUTH["turnover"]["by_year"].items():
        assert (gone.dt.year == int(year)).sum() == truth["leavers"]
    last = assignments[assignments["rep_id"].isin(gone.index) & assignments["ends_on"].notna()]
    last = last[last["ends_on"] == last["rep_id"].map(gone)]
    new = assignments[assignments["rep_id"].map(reps["hired_on"]) == assignments["starts_on"]]
    new = new[new["starts_on"] > "2023-01-01"]
    pairs = last.merge(new, on=["territory_id", "share"], suffixes=("", "_new"))
    pairs = pairs[pairs["starts_on_new"] > pairs["ends_on"]]
    months = (pairs["starts_on_new"] - pairs["ends_on"]).dt.days / 30.44
    assert len(pairs) == len(gone) - 1  # one seat has no successor yet
    assert months.mean() == pytest.approx(TRUTH["turnover"]["vacancy_months_mean"], abs=0.05)
    assert months.between(1.8, 4.2).all()


def test_moves_are_changes_of_territory_in_the_middle_of_a_year(
    assignments: pd.DataFrame,
) -> None:
    later = assignments[assignments.duplicated("rep_id")]
    found = later.assign(day=later["starts_on"].dt.strftime("%Y-%m-%d"))
    assert found[["rep_id", "territory_id", "day"]].to_numpy().tolist() == TRUTH["moves"]


def test_potential_goes_with_size(sales: pd.DataFrame, territories: pd.DataFrame) -> None:
    sold = sales[sales["year"] == 2025].groupby("territory_id")["credited"].sum()
    assert territories["potential"].corr(sold) > 0.7
    assert (sold / territories["potential"]).between(0.12, 0.40).all()


# --- sales -----------------------------------------------------------------------------------


def test_the_company_sells_about_ninety_million_a_year(sales: pd.DataFrame) -> None:
    yearly = sales.groupby("year")["credited"].sum()
    assert yearly.between(83e6, 95e6).all()
    assert 45_000 < len(sales) < 60_000
    regions = sales.groupby(["year", "region"])["credited"].sum()
    assert regions.between(11e6, 20e6).all()
    margin = 1 - sales["cost"].sum() / sales["amount"].sum()
    assert 0.4 < margin < 0.5


def test_every_sale_lies_in_its_sellers_time_and_territory(
    sales: pd.DataFrame, assignments: pd.DataFrame
) -> None:
    numbered = sales.reset_index()
    joined = numbered.merge(assignments, on=["rep_id", "territory_id"], how="left")
    inside = (joined["sold_on"] >= joined["starts_on"]) & ~(joined["sold_on"] > joined["ends_on"])
    assert joined[inside]["index"].nunique() == len(sales)


def test_shared_deals_credit_exactly_one_and_returns_are_few(sales: pd.DataFrame) -> None:
    shared = sales[sales["credit_share"] < 1]
    deal = ["sold_on", "account_id", "product_id", "units", "amount"]
    credit = shared.groupby(deal)["credit_share"].sum()
    assert len(credit) > 200
    assert (credit % 1 == 0).all()
    back = sales[sales["amount"] < 0]
    assert 0.004 < len(back) / len(sales) < 0.01
    assert (back["units"] < 0).all()


def test_months_of_each_line_recover_the_season(sales: pd.DataFrame) -> None:
    tolerance = TRUTH["seasonality"]["tolerance"]
    monthly = sales.pivot_table("credited", "product_line", "month", "sum")
    factors = monthly.div(monthly.sum(axis=1), axis=0) * 12
    for line, truth in TRUTH["seasonality"]["by_line"].items():
        assert sum(truth) == pytest.approx(12)
        assert np.abs(factors.loc[line] - truth).max() < tolerance, line


def test_one_price_fell_by_eight_per_cent_and_its_volume_held(sales: pd.DataFrame) -> None:
    truth = TRUTH["price_cut"]
    weighted = sales.assign(units=sales["units"] * sales["credit_share"])
    sums = weighted.pivot_table(["credited", "units"], "product_id", "year", "sum")
    price = sums["credited"] / sums["units"]
    ratio = (price[2025] / price[2024]).drop(["P09", "P12"])
    assert ratio[truth["product_id"]] == pytest.approx(truth["price_ratio"], abs=truth["tolerance"])
    assert np.abs(ratio.drop(truth["product_id"]) - 1).max() < truth["tolerance"]
    others = sums["units"].loc[["P01", "P02", "P03", "P04", "P06", "P07", "P08", "P11"]]
    volume = sums["units"][2025] / sums["units"][2024]
    usual = others[2025].div(others[2024]).mean()
    assert volume[truth["product_id"]] / usual == pytest.approx(1, abs=truth["volume_tolerance"])


def test_one_product_is_new_and_one_withdrawn(sales: pd.DataFrame) -> None:
    new, old = TRUTH["new_product"], TRUTH["withdrawn_product"]
    bought = sales[sales["amount"] > 0].groupby("product_id")["sold_on"]
    assert bought.min()[new["product_id"]] >= pd.Timestamp(new["starts_on"])
    assert bought.max()[old["product_id"]] <= pd.Timestamp(old["ends_on"])


def test_unit_costs_rise_as_planted(sales: pd.DataFrame) -> None:
    products = extract("products").set_index("product_id")
    usual = sales["units"] * sales["product_id"].map(products["unit_cost"])
    level = sales.groupby("year")["cost"].sum() / usual.groupby(sales["year"]).sum()
    for year, truth in TRUTH["unit_cost_level"].items():
        assert level[int(year)] == pytest.approx(truth, abs=0.001)


def test_undisturbed_territories_show_the_growth_of_the_market(
    sales: pd.DataFrame, undisturbed: list[str]
) -> None:
    truth = TRUTH["market_growth"]
    places = [place for place in undisturbed if place not in TRUTH["competitor"]["territories"]]
    steady = sales[sales["territory_id"].isin(places) & ~sales["product_id"].isin(["P05", "P09"])]
    yearly = steady.groupby("year")["credited"].sum()
    for year in (2024, 2025):
        growth = yearly[year] / yearly[year - 1] - 1
        assert growth == pytest.approx(truth[str(year)], abs=truth["tolerance"])


def difference_in_differences(sales: pd.DataFrame, months: range) -> tuple[float, float]:
    """Change 2024 to 2025 of affected over unaffected territories: of the sums, of the mean."""
    kept = sales[sales["month"].isin(months)]
    yearly = kept.pivot_table("credited", "territory_id", "year", "sum")[[2024, 2025]]
    affected = yearly.index.isin(TRUTH["competitor"]["territories"])
    sums = yearly[affected].sum(), yearly[~affected].sum()
    by_sums = sums[0][2025] / sums[0][2024] / (sums[1][2025] / sums[1][2024]) - 1
    change = np.log(yearly[2025] / yearly[2024])
    return by_sums, float(np.exp(change[affected].mean() - change[~affected].mean()) - 1)


def test_the_competitor_took_twelve_per_cent_from_april_on(sales: pd.DataFrame) -> None:
    truth = TRUTH["competitor"]
    for months in (range(4, 13), range(7, 13)):
        for effect in difference_in_differences(sales, months):
            assert effect == pytest.approx(truth["effect_share"], abs=truth["tolerance"])
    for effect in difference_in_differences(sales, range(1, 4)):
        assert abs(effect) < 0.04  # before the entry there is nothing to see


def test_affected_territories_stand_in_the_events_and_in_two_regions(
    territories: pd.DataFrame,
) -> None:
    events = extract("events")
    entry = events[events["kind"] == "competitor entry"]
    assert entry["territory_id"].tolist() == TRUTH["competitor"]["territories"]
    assert entry["starts_on"].unique().tolist() == [TRUTH["competitor"]["starts_on"]]
    assert territories.loc[entry["territory_id"], "region"].value_counts().to_dict() == {
        "West": 4,
        "Central": 2,
    }


def test_new_people_ramp_up_month_by_month(sales: pd.DataFrame, reps: pd.DataFrame) -> None:
    truth = TRUTH["ramp"]
    months = sales["sold_on"].dt.to_period("M")
    veterans = reps[(reps["role"] == "rep") & (reps["hired_on"] < "2023-01-01")]
    veterans = veterans[veterans["left_on"].isna()].index
    usual = sales[sales["rep_id"].isin(veterans)].groupby(months)["credited"].sum()
    sold = sales.groupby(["rep_id", months])["credited"].sum()
    rows = [
        (rep, tenure, sold.get((rep, month), 0.0), usual[month])
        for rep in truth["hires"]
        for tenure, month in enumerate(
            pd.period_range(reps.loc[rep, "hired_on"], "2025-12", freq="M")
        )
    ]
    hires = pd.DataFrame(rows, columns=["rep_id", "tenure", "sold", "usual"])
    settled = (
        hires[hires["tenure"] >= 5]
        .groupby("rep_id")
        .agg(months=("tenure", "size"), sold=("sold", "sum"), usual=("usual", "sum"))
    )
    level = (settled["sold"] / settled["usual"])[settled["months"] >= 2]
    known = hires[hires["rep_id"].isin(level.index)]
    full = known["usual"] * known["rep_id"].map(level)
    reached = known.groupby("tenure")["sold"].sum() / full.groupby(known["tenure"]).sum()
    assert np.abs(reached.head(6) - truth["by_month"]).max() < truth["tolerance"]


# --- goals, proposals, funnel ----------------------------------------------------------------


def attainment(sales: pd.DataFrame, goals: pd.DataFrame, year: int, by: str) -> pd.Series:
    asked = goals[goals["year"] == year].groupby(by)["goal"].sum()
    sold = sales[sales["year"] == year].groupby(by)["credited"].sum()
    return sold.reindex(asked.index).fillna(0.0) / asked


def test_one_region_missed_by_the_competitor_one_by_vacancies(
    sales: pd.DataFrame, goals: pd.DataFrame
) -> None:
    reached = attainment(sales, goals, 2025, "region")
    missed = [TRUTH["competitor"]["region_missed"], TRUTH["vacancies"]["region_missed"]]
    assert missed == ["West", "South"]
    assert reached["South"] < 0.89
    assert reached["West"] < 0.93
    assert reached.drop(missed).between(0.94, 1.04).all()
    lost = TRUTH["vacancies"]["capacity_lost_share"]["2025"]
    assert max(lost, key=lambda region: lost[region]) == "South"
    assert lost["West"] == 0


def test_about_half_of_the_people_reach_their_goal(
    sales: pd.DataFrame, goals: pd.DataFrame
) -> None:
    for year in (2024, 2025):
        reached = attainment(sales, goals, year, "rep_id")
        assert 0.45 <= (reached >= 1).mean() <= 0.60
        whole_year = goals[goals["year"] == year].groupby("rep_id")["starts_on"].nunique() == 4
        assert 0.08 < reached[whole_year].std() < 0.15


def test_goals_ratchet_up_more_than_down(
    sales: pd.DataFrame, goals: pd.DataFrame, assignments: pd.DataFrame
) -> None:
    truth = TRUTH["ratchet"]
    stayed = assignments[
        (assignments["starts_on"] <= "2024-01-01") & ~(assignments["ends_on"] < "2026-01-01")
    ]["rep_id"]
    yearly = goals[goals["rep_id"].isin(stayed)].pivot_table("goal", "rep_id", "year", "sum")
    result = sales[sales["year"] == 2024].groupby("rep_id")["credited"].sum()
    gap = result.reindex(yearly.index) - yearly[2024]
    causes = np.column_stack([np.ones(len(gap)), gap.clip(lower=0), (-gap).clip(lower=0)])
    constant, over, under = np.linalg.lstsq(causes, yearly[2025] - yearly[2024], rcond=None)[0]
    assert len(gap) > 45
    assert over == pytest.approx(truth["after_over"], abs=truth["tolerance"])
    assert -under == pytest.approx(truth["after_under"], abs=truth["tolerance"])
    assert constant == pytest.approx(truth["constant"], abs=2_000)


def test_every_goal_has_somebody_who_works_in_its_quarter(
    goals: pd.DataFrame, reps: pd.DataFrame
) -> None:
    assert (goals["rep_id"].map(reps["hired_on"]) <= goals["ends_on"]).all()
    assert not (goals["rep_id"].map(reps["left_on"]) < goals["starts_on"]).any()
    assert not goals.duplicated(["starts_on", "rep_id", "product_line"]).any()
    assert goals.groupby("starts_on").size().unique().tolist() == [TRUTH["people"]["seats"] * 4]


def test_empty_goals_and_zero_goals_stand_side_by_side(goals: pd.DataFrame) -> None:
    cells = TRUTH["goal_cells"]
    for kind, found in (("empty", goals["goal"].isna()), ("zero", goals["goal"] == 0)):
        rows = goals[found]
        assert len(rows) == cells[kind]["cells"]
        assert rows["rep_id"].unique().tolist() == [cells[kind]["rep_id"]]
        assert rows["product_line"].unique().tolist() == [cells[kind]["product_line"]]


def test_two_people_propose_too_little_one_too_much_the_rest_is_fair(
    sales: pd.DataFrame, reps: pd.DataFrame
) -> None:
    truth = TRUTH["proposals"]
    table = pd.read_csv(EXTRACTS / "proposals.csv", sep=";", decimal=",", encoding="cp1252")
    table.columns = pd.Index(["rep_id", "rep_name", "starts_on", "ends_on", "proposed"])
    table["year"] = table["starts_on"].str[-4:].astype(int)
    table = table[table["year"] < 2026]  # what comes cannot be judged yet
    sold = sales.groupby(["rep_id", "year"])["credited"].sum().rename("sold")
    table = table.join(sold, on=["rep_id", "year"])
    table = table[table["rep_id"].map(reps["left_on"]).isna()]  # leavers proposed a whole year
    ratio = table.set_index(["rep_id", "year"]).eval("proposed / sold")
    for rep, factor in truth["factor"].items():
        assert np.abs(ratio[rep] / factor - 1).max() < truth["tolerance"] + 0.02, rep
        assert ratio[rep].mean() == pytest.approx(factor, rel=truth["tolerance"])
    others = ratio.drop(index=list(truth["factor"]), level="rep_id")
    assert others.mean() == pytest.approx(truth["others_mean"], abs=truth["others_mean_tolerance"])
    assert others.std() == pytest.approx(truth["others_spread"], abs=0.015)


def test_closing_ratios_lie_inside_their_binomial_intervals(opportunities: pd.DataFrame) -> None:
    truth = TRUTH["closing_ratio"]
    shown = opportunities[
        opportunities["presented_on"].notna() & opportunities["outcome"].isin(["won", "lost"])
    ]
    deals = shown.assign(won=shown["outcome"] == "won").groupby("rep_id")["won"]
    won, count = deals.sum(), deals.size()
    ratio = pd.Series(truth["by_rep"]).reindex(won.index)
    low, high = binom.ppf(0.025, count, ratio), binom.ppf(0.975, count, ratio)
    assert ((won >= low) & (won <= high)).mean() >= truth["share_inside_95_interval"]
    assert won.sum() / count.sum() == pytest.approx(truth["mean"], abs=0.01)


def test_deals_won_explain_about_sixty_per_cent_of_sales(
    opportunities: pd.DataFrame, sales: pd.DataFrame
) -> None:
    won = opportunities[opportunities["outcome"] == "won"]
    for year in (2024, 2025):
        amount = won[won["closed_on"].dt.year == year]["amount"].sum()
        share = amount / sales[sales["year"] == year]["credited"].sum()
        assert share == pytest.approx(0.6, abs=0.05)


def test_deals_go_through_their_steps_in_order(opportunities: pd.DataFrame) -> None:
    steps = opportunities[["created_on", "presented_on", "proposed_on", "closed_on"]]
    for earlier, later in (
        ("created_on", "presented_on"),
        ("presented_on", "proposed_on"),
        ("proposed_on", "closed_on"),
        ("created_on", "closed_on"),
    ):
        assert not (steps[later] < steps[earlier]).any()
    assert steps.max().max() <= pd.Timestamp("2025-12-31")
    is_open = opportunities["outcome"] == "open"
    assert steps.loc[is_open, "closed_on"].isna().all()
    assert steps.loc[~is_open, "closed_on"].notna().all()
    nobody = opportunities["rep_id"].isna()
    assert 0 < nobody.sum() < 100
    assert is_open[nobody].all()


def test_activities_of_2025_agree_with_the_deals(opportunities: pd.DataFrame) -> None:
    done = extract("activities", "done_on")
    counts = done.groupby("activity")["count"].sum()
    shown = (opportunities["presented_on"].dt.year == 2025).sum()
    offered = (opportunities["proposed_on"].dt.year == 2025).sum()
    assert counts["presentation"] == pytest.approx(shown, rel=0.03)
    assert counts["proposal"] == pytest.approx(offered, rel=0.03)
    assert counts["prospect"] > 2 * counts["presentation"]


# --- the register and the managers -----------------------------------------------------------


def test_the_register_knows_what_really_happened() -> None:
    stated = extract("assumptions").set_index("driver")
    assert stated.loc["market_growth", "actual"] == TRUTH["market_growth"]["2025"]
    assert stated.loc["turnover_rate", "actual"] == TRUTH["turnover"]["by_year"]["2025"]["rate"]
    assert stated.loc["time_to_fill", "actual"] == pytest.approx(
        TRUTH["turnover"]["vacancy_months_mean_2025"], abs=0.05
    )
    assert stated.loc["ramp", "actual"] == len(TRUTH["ramp"]["by_month"])
    for driver, effect in TRUTH["effects_on_company_sales_2025"].items():
        assert stated.loc[driver, "actual"] == effect
    outside = ~stated["actual"].between(stated["low"], stated["high"])
    assert outside[outside].index.tolist() == ["turnover_rate"]


def test_managers_coach_less_than_planned_where_seats_are_empty() -> None:
    hours = extract("manager_time")
    monthly = hours.groupby(["manager_id", "month"])[["planned_hours", "actual_hours"]].sum()
    assert monthly.max().max() < 160
    yearly = hours[hours["activity"] == "coaching"].groupby("manager_id").sum(numeric_only=True)
    done = yearly["actual_hours"] / yearly["planned_hours"]
    assert done.idxmin() == "M02"
    assert done["M02"] == pytest.approx(0.55, abs=0.05)
    late = hours[hours["actual_hours"].isna()]
    assert late[["manager_id", "month"]].drop_duplicates().to_numpy().tolist() == [
        ["M06", "2025-12-01"]
    ]


# --- what stands in words --------------------------------------------------------------------


def test_the_truth_in_words_names_what_the_truth_file_holds() -> None:
    words = (SAMPLES / "TRUTH.md").read_text(encoding="utf-8")
    wanted = [*TRUTH["competitor"]["territories"], *TRUTH["proposals"]["factor"]]
    wanted += [row[0] for row in TRUTH["moves"]] + TRUTH["people"]["namesakes"]
    wanted += [TRUTH["goal_cells"][kind]["rep_id"] for kind in ("empty", "zero")]
    wanted += [TRUTH["competitor"]["starts_on"], f"seed {TRUTH['seed']}"]
    wanted += [f"{year['rate']:.1%}" for year in TRUTH["turnover"]["by_year"].values()]
    assert [word for word in wanted if word not in words] == []


def faults_in_words() -> list[tuple[str, int, str, str]]:
    text = (SAMPLES / "dirty" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+\.csv) \| (\d+) \| (\w+) \| `(.*?)` \|", text, re.MULTILINE)
    return [(file, int(row), column, value) for file, row, column, value in rows]


def test_every_fault_of_the_dirty_extract_stands_where_its_list_says() -> None:
    listed = faults_in_words()
    assert len(listed) > 40
    for file, row, column, value in listed:
        with (SAMPLES / "dirty" / file).open(encoding="utf-8", newline="") as stream:
            table = list(csv.reader(stream))
        assert {len(line) for line in table} == {len(table[0])}, file
        assert table[row - 1][table[0].index(column)] == value, (file, row, column)


def test_every_dirty_file_is_small_and_listed() -> None:
    files = {path.name for path in (SAMPLES / "dirty").glob("*.csv")}
    assert files == {file for file, *_ in faults_in_words()}
    for name in files:
        lines = (SAMPLES / "dirty" / name).read_text(encoding="utf-8").splitlines()
        assert 5 <= len(lines) <= 31, name
