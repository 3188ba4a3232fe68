"""Whether ranges hold and chances come true in companies the model was not made for.

Worlds are independent, people of one world are not: every interval is clustered by world. What a
person's year is compared with is what came of the seats held on the plan's first day, whoever
followed there; that is what the expectation is of.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from planning_kit.numbers.staffing import availability, yearly_share
from planning_kit.outlook import coming_year, turnover
from planning_kit.outlook.history import read_history
from planning_kit.outlook.ranges import growth_ranges, ranks, winkler
from planning_kit.plan import Scenario
from tests.worlds import FAMILIES, World, make_world

UNFORESEEN = "break"  # nobody could know: said apart, asked nothing
CUTS = {"person-year": ["rep_id"], "person-month": ["rep_id", "month"], "region-year": []}
CHANCES = np.arange(1, 10) / 10
SMALL = {"regions": 1, "people": (8, 16)}  # worlds of the fast set
FAST_SEED, SLOW_WORLDS = 81, 20  # worlds a family in the slow set


def cells_of(world: World) -> pd.DataFrame:
    """Set what came beside its 80 % range, every part of every region's year."""
    start, found = pd.Timestamp(world.settings.starts_on), []
    for region in world.regions:
        inputs = world.inputs(region)
        outlook = coming_year(inputs, Scenario())
        held = inputs.assignments
        held = held[~(held["starts_on"] > start) & ~(held["ends_on"] < start)]
        held = held[held["rep_id"].isin(outlook.expected.index)]
        came = world.actual.drop(columns="rep_id").merge(held[["rep_id", "territory_id"]])
        simple = (
            growth_ranges(read_history(inputs, start))
            .rename_axis("rep_id")
            .reset_index()
            .astype({"rep_id": "str"})
        )
        for cut, by in CUTS.items():
            cells = outlook.ranges(by)
            sums = came.groupby(by)["amount"].sum() if by else came["amount"].sum()
            where = (
                pd.MultiIndex.from_frame(cells[by]) if len(by) > 1 else cells["rep_id"] if by else 0
            )
            cells["actual"] = sums.reindex(where).fillna(0.0).to_numpy() if by else sums
            if cut == "person-year":
                cells = cells.merge(simple, on="rep_id", how="left", suffixes=("", "_simple"))
                came_of = cells["actual"].to_numpy() / outlook.unit * 1000
                drawn = outlook.draws[outlook.expected.notna()]
                cells["rank"] = ranks(came_of, drawn, f"{world.family} {world.seed} {region}")
            found.append(cells.assign(cut=cut, world=f"{world.family} {world.seed}"))
    return pd.concat(found, ignore_index=True).assign(family=world.family)


def inside(cells: pd.DataFrame) -> tuple[float, float]:
    """Give the share inside and its standard error, clustered by world."""
    return clustered(cells["actual"].between(cells["low"], cells["high"]), cells["world"])


def clustered(hits: pd.Series, world: pd.Series) -> tuple[float, float]:
    """Give a share and its standard error where cases of one world go together."""
    share, count = float(hits.mean()), world.nunique()
    off = (hits - share).groupby(world).sum()
    return share, float(np.sqrt((off**2).sum() * count / max(1, count - 1)) / len(hits))


def against_growth(cells: pd.DataFrame) -> float:
    """Give the score of the ranges over that of last year's result times people's usual growth."""
    both = cells.dropna(subset=["low_simple"])
    simple = both.assign(low=both["low_simple"], high=both["high_simple"])
    return winkler(both) / winkler(simple)


def report(cells: pd.DataFrame) -> str:
    """Write a line a family: shares inside by cut with standard errors, and the score's ratio."""
    lines = []
    for family, part in cells.groupby("family"):
        shares = (inside(part[part["cut"] == cut]) for cut in CUTS)
        words = ", ".join(f"{share:.2f} ± {error:.2f}" for share, error in shares)
        ratio = against_growth(part[part["cut"] == "person-year"])
        lines.append(f"{family}: {words}; score {ratio:.2f}")
    return "\n".join(lines)


@pytest.fixture(scope="module")
def few() -> pd.DataFrame:
    """Give one small world of every other family."""
    return pd.concat([cells_of(make_world(f, FAST_SEED, **SMALL)) for f in list(FAMILIES)[1::2]])


@pytest.fixture(scope="session")
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Write to the terminal also where a test passes."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def write(line: str) -> None:
        with capture.global_and_fixture_disabled():
            sys.stdout.write(f"\n{line}")

    return write


@pytest.fixture(scope="module")
def many(say) -> pd.DataFrame:
    """Give twenty worlds of every family, others at every run."""
    seed = secrets.randbelow(10**6)
    cells = [cells_of(make_world(f, seed + n)) for f in FAMILIES for n in range(SLOW_WORLDS)]
    cells = pd.concat(cells, ignore_index=True)
    say(f"seeds {seed} to {seed + SLOW_WORLDS - 1}; {', '.join(CUTS)}\n{report(cells)}")
    return cells


def foreseen(cells: pd.DataFrame, cut: str) -> pd.DataFrame:
    return cells[(cells["cut"] == cut) & (cells["family"] != UNFORESEEN)]


@pytest.mark.parametrize("cut", CUTS)
def test_eight_in_ten_lie_inside_their_ranges_in_a_world_of_every_other_family(few, cut):
    cells = foreseen(few, cut)
    share, error = inside(cells)
    assert abs(share - 0.8) <= 0.03 + 3 * max(error, np.sqrt(0.16 / len(cells)))


def test_ranges_are_no_worse_than_those_anybody_could_make_without_a_model(few):
    assert against_growth(foreseen(few, "person-year")) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("cut", CUTS)
def test_eight_in_ten_lie_inside_their_ranges_in_380_worlds(many, cut, say):
    cells = foreseen(many, cut)
    share, error = inside(cells)
    say(f"{cut}: {share:.3f} ± {error:.3f}")
    assert 0.77 <= share <= 0.83
    off = {}
    for family, part in cells.groupby("family"):
        share, error = inside(part)
        if abs(share - 0.8) > 0.03 + 3 * error:
            off[family] = round(share, 3)
    assert not off


@pytest.mark.slow
def test_the_score_is_no_worse_than_that_of_growth_alone_in_any_family(many):
    cells = foreseen(many, "person-year")
    assert against_growth(cells) <= 1
    worse = {f: r for f, part in cells.groupby("family") if (r := against_growth(part)) > 1.05}
    assert not worse


@pytest.mark.slow
def test_goals_of_a_chance_are_reached_that_often_in_380_worlds(many, say):
    cells = foreseen(many, "person-year")
    for chance in CHANCES:
        share, error = clustered(cells["rank"] >= 1 - chance, cells["world"])
        say(f"chance {chance:.0%}: reached {share:.1%} ± {error:.1%}")
        assert abs(share - chance) <= 0.05 + 3 * error


def test_everybody_with_two_years_of_history_has_a_range():
    for family in ("thin", "turnover 30 %"):
        world = make_world(family, FAST_SEED, **SMALL, years=2)
        inputs = world.inputs(world.regions[0])
        assert len(coming_year(inputs, Scenario()).ranges(["rep_id"])) >= 0.95 * len(inputs.team())


def test_leavers_a_year_of_work_become_the_share_that_leaves_within_a_year():
    # 35 % were planted: taken for a share, the rate of -ln(0.65) would cost 5 points of capacity.
    left = years = 0.0
    for seed in range(4):
        world = make_world("large", seed, turnover=0.35, years=3, regions=1, vacancy=3)
        row = turnover(world.inputs()).iloc[0]
        left, years = left + row["leavers"], years + row["exposure_years"]
        assert row["rate"] == pytest.approx(1 - np.exp(-row["leavers"] / row["exposure_years"]))
    share, error = float(yearly_share(left / years)), np.sqrt(left) / years
    assert abs(share - 0.35) <= 3 * error < 0.07
    ramp = (0.0, 0.2, 0.4, 0.6, 0.8)
    assert availability(share, 3, ramp) == pytest.approx(0.813, abs=0.02)
    assert availability(left / years, 3, ramp) < 0.78
