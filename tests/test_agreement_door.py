"""Who may say what about whose goal, and the commands that let them."""

from __future__ import annotations

import getpass
import json
import shutil
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Thread

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from planning_kit.agreement import Event, read_events
from planning_kit.agreement.door import Door
from planning_kit.agreement.promises import promised_hours, promises_of
from planning_kit.cli import main
from planning_kit.data import open_inputs, prepare
from planning_kit.messages import DataError
from planning_kit.plan import Plan, load_plan
from planning_kit.review import attainment
from planning_kit.walk import first_words
from planning_kit.walk.answers import manager_plan_of
from planning_kit.walk.first_words import step_today
from planning_kit.walk.resting import (
    other_scenario_findings,
    resting_findings,
    tied_findings,
)
from planning_kit.walk.talks import goals_of
from tests.conftest import PlanMaker

# ann and bob report to mia, cid to max, both to zoe; eve has nobody above.
REPS = (
    "rep_id,rep_name,manager_id,region\nann,Ann,mia,\nbob,Bob,mia,\ncid,Cid,max,\neve,Eve,,\n"
    "mia,Mia,zoe,North\nmax,Max,zoe,South\nzoe,Zoe,,North\n"
)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a plan whose negotiation has begun; tests copy it."""
    folder = tmp_path_factory.mktemp("door") / "plan"
    plan = PlanMaker(folder)(
        extra="[targets]\ncompany = 1000\n",
        reps=REPS,
        assignments="rep_id,territory_id,starts_on\nann,t1,2024-01-01\nbob,t2,2024-01-01\n"
        "cid,t3,2024-01-01\neve,t4,2024-01-01\n",
        territories="territory_id,region\nt1,North\nt2,North\nt3,South\nt4,South\n",
        sales="sold_on,rep_id,amount,product_id\n"
        + "".join(f"2025-0{m}-15,{who},100,p1\n" for m in range(1, 10) for who in WHO),
        goals=None,
        proposals="starts_on,ends_on,rep_id,proposed\n2026-01-01,2026-12-31,bob,200\n",
    )
    done = agree(plan, "start")
    assert done.exit_code == 0, done.output
    assert done.output == "added 4, unchanged 0\n"
    return folder


WHO, WHO_NORTH = ("ann", "bob", "cid", "eve"), ["ann", "bob"]
CIRCLE = {"ann": "mia", "mia": "ann"}


@pytest.fixture
def plan(begun: Path, tmp_path: Path) -> Plan:
    shutil.copytree(begun, tmp_path / "plan")
    return load_plan(tmp_path / "plan")


def agree(plan: Plan, *words: str) -> Result:
    return CliRunner().invoke(main, ["agree", *words, "--plan", str(plan.folder)])


def refused(plan: Plan, *words: str) -> str:
    """Give why a move is refused, after checking that nothing was written."""
    before = len(read_events(Door.open(plan).log))
    done = agree(plan, *words)
    assert done.exit_code == 3, done.output
    assert len(read_events(Door.open(plan).log)) == before
    assert done.stderr.startswith("planning-kit: agreement log: ") and "\n" not in done.stderr[:-1]
    return done.stderr


def status(plan: Plan, rep_id: str) -> str:
    return Door.open(plan).stand(rep_id)["status"].item()


# --- who may speak -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("accept", "ann", "250", "--as", "nobody-at-all"), "unknown label: 'nobody-at-all'"),
        (("accept", "ann", "250", "--as", "an"), "did you mean 'ann'"),
        (("propose", "anne", "250", "--as", "ann"), "did you mean 'ann'"),
        (("propose", "bob", "250", "--as", "ann"), "ann may not propose; bob may (the person)"),
        (("propose", "bob", "250", "--as", "mia"), "mia may not propose; bob may"),
        (("counter", "bob", "220", "--as", "max", "--reason", "x"), "mia may (the own manager)"),
        (("counter", "bob", "220", "--as", "zoe", "--reason", "x"), "zoe may not counter"),
        (("accept", "bob", "200", "--as", "max"), "max may not accept"),
        (("accept", "bob", "200", "--as", "zoe"), "zoe may not accept"),
        (("accept", "bob", "200", "--as", "bob"), "is the own number"),
        (("accept", "ann", "250", "--as", "mia"), "mia may not accept what was assigned; ann may"),
        (("escalate", "bob", "--as", "cid", "--reason", "x"), "cid may not escalate"),
        (("withdraw", "bob", "--as", "mia"), "mia may not withdraw what bob said"),
        (("reopen", "bob", "--as", "ann", "--reason", "x"), "ann may not assign"),
        (("note", "ann", "--as", "max", "--reason", "x"), "max may not note"),
        (("propose", "ann", "250", "--as", "mia", "--for", "ann"), "needs a reason in words"),
        (
            ("propose", "ann", "250", "--as", "max", "--for", "ann", "--reason", "phone"),
            "max may not speak for ann; mia or zoe or plan may",
        ),
    ],
)
def test_whoever_may_not_speak_is_refused_in_a_sentence(plan: Plan, words: tuple, why: str):
    assert why in refused(plan, *words)


def test_only_somebody_above_both_decides(plan: Plan):
    assert agree(plan, "escalate", "bob", "--as", "bob", "--reason", "far apart").exit_code == 0
    for who in ("bob", "mia", "max"):
        words = ("decide", "bob", "100", "--as", who, "--reason", "x")
        assert "zoe may (who stands above both)" in refused(plan, *words)
    done = agree(plan, "decide", "bob", "230", "--as", "zoe", "--reason", "smaller territory")
    assert done.exit_code == 0 and status(plan, "bob") == "decided"


def test_the_planner_stands_in_where_the_chain_ends(plan: Plan):
    assert "plan may (the own manager)" in refused(
        plan, "counter", "eve", "200", "--as", "zoe", "--reason", "x"
    )
    for words in (
        ("propose", "eve", "200", "--as", "eve"),
        ("counter", "eve", "240", "--as", "plan", "--reason", "half way"),
        ("escalate", "eve", "--as", "eve", "--reason", "too far"),
        ("decide", "eve", "220", "--as", "plan", "--reason", "so be it"),
    ):
        assert agree(plan, *words).exit_code == 0
    assert status(plan, "eve") == "decided"


def test_speaking_for_somebody_keeps_both_names(plan: Plan):
    words = ("propose", "ann", "240", "--as", "mia", "--for", "ann", "--reason", "on the phone")
    assert agree(plan, *words).exit_code == 0
    line = Door.open(plan).lines("ann").iloc[-1]
    assert (line["actor"], line["behalf"], line["user"]) == ("mia", "ann", getpass.getuser())
    assert "is the own number" in refused(plan, "accept", "ann", "240", "--as", "ann")
    assert agree(plan, "accept", "ann", "240", "--as", "mia").exit_code == 0


def test_what_the_table_proposed_was_said_by_the_person(plan: Plan):
    lines = Door.open(plan).lines("bob")
    assert lines["kind"].tolist() == ["assign", "propose"]
    assert lines[["actor", "behalf"]].iloc[1].tolist() == ["plan", "bob"]
    assert Door.open(plan).stand("bob")["last_by"].item() == "bob"


def test_an_app_says_who_is_logged_in(plan: Plan):
    Door.open(plan).say(Event("propose", "ann", "ann", 230), user="ann@example.org")
    assert Door.open(plan).lines("ann")["user"].iloc[-1] == "ann@example.org"


def test_nobody_decides_the_own_goal_where_managers_go_in_a_circle(plan: Plan):
    people = Door.open(plan).people.assign(manager_id=lambda p: p["rep_id"].map(CIRCLE))
    voices = replace(Door.open(plan), people=people).voices
    assert voices.above["ann"] == ["mia"] and voices.above["mia"] == ["ann"]
    for who in ("ann", "mia"):
        with pytest.raises(DataError, match="may not decide; plan may"):
            voices.require("decide", "ann", who)


# --- the moves ---------------------------------------------------------------------------------


def test_a_talk_by_commands_alone(plan: Plan):
    for words, ends in (
        (("propose", "ann", "2_00", "--as", "ann", "--reason", "two contracts"), "proposed"),
        (("counter", "ann", "240", "--as", "mia", "--reason", "half way"), "countered"),
        (("note", "ann", "--as", "zoe", "--reason", "seen"), "countered"),
        (("withdraw", "ann", "--as", "mia"), "proposed"),
        (("withdraw", "ann", "--as", "ann"), "not started"),
        (("propose", "ann", "220", "--as", "ann"), "proposed"),
        (("escalate", "ann", "--as", "mia", "--reason", "far"), "escalated"),
        (("withdraw", "ann", "--as", "mia"), "proposed"),
        (("accept", "ann", "220", "--as", "mia"), "accepted"),
        (("reopen", "ann", "--as", "mia", "--reason", "a larger territory"), "not started"),
        (("accept", "ann", "250", "--as", "ann"), "accepted"),
    ):
        done = agree(plan, *words)
        assert done.exit_code == 0, done.output
        assert status(plan, "ann") == ends and ends in done.output
    assert agree(plan, "verify").exit_code == 0


def test_show_answers_for_company_region_and_person(plan: Plan):
    assert agree(plan, "show").output.count("\n") == 5
    north = agree(plan, "show", "North").output
    assert "Ann" in north and "Cid" not in north
    person = agree(plan, "show", "bob").output
    assert "from the table of proposals" in person
    assert "did you mean 'North'" in agree(plan, "show", "Nort").stderr
    rows = json.loads(agree(plan, "show", "North", "--json").stdout)
    assert [(row["rep_id"], row["status"]) for row in rows] == [
        ("ann", "not started"),
        ("bob", "proposed"),
    ]


def test_a_second_start_writes_nothing_and_says_what_is_not_as_it_was(plan: Plan):
    written = plan.agreement_file.read_bytes()
    assert agree(plan, "start").output == "added 0, unchanged 4\n"
    assert plan.agreement_file.read_bytes() == written
    toml = plan.folder / "plan.toml"
    toml.write_text(toml.read_text().replace("company = 1000", "company = 1200"))
    proposals = plan.folder / "data" / "proposals.csv"
    proposals.write_text(proposals.read_text() + "2026-01-01,2026-12-31,cid,300\n")
    found = json.loads(agree(plan, "start", "--json").stdout)
    told = {(row["rep_id"], row["what"]) for row in found}
    assert ("ann", "the target was 500, now 600; another allocation") in told
    assert ("cid", "proposal of the table that is not in the log") in told
    assert plan.agreement_file.read_bytes() == written


def test_start_adds_who_is_new(plan: Plan):
    reps = plan.folder / "data" / "reps.csv"
    reps.write_text(reps.read_text() + "dan,Dan,max,South\n")
    sales = plan.folder / "data" / "sales.csv"
    sales.write_text(sales.read_text() + "2025-10-01,dan,100,p1\n")
    assert agree(plan, "start", "--region", "South").output.startswith("added 1, unchanged 0\n")
    assert status(plan, "dan") == "not started"


@pytest.mark.parametrize(
    ("amount", "is_read"),
    [("1_000", True), ("1,000", True), ("1.000,00", True), ("1,00,0", False), ("much", False)],
)
def test_amounts_are_read_as_people_write_them(plan: Plan, amount: str, is_read: bool):
    done = agree(plan, "propose", "ann", amount, "--as", "ann")
    assert done.exit_code == (0 if is_read else 2), done.output
    if is_read:
        assert Door.open(plan).stand("ann")["proposed"].item() == 1000
    else:
        assert "is no amount" in done.output


@pytest.mark.parametrize(
    "move",
    "start show propose counter accept escalate decide withdraw note promise reopen verify publish "
    "paper".split(),
)
def test_every_move_has_help_with_an_example_and_json(move: str):
    said = CliRunner().invoke(main, ["agree", move, "--help"]).output
    assert "Example:\n    planning-kit agree " + move in said and "--json" in said


# --- promises, ties, published goals -----------------------------------------------------------


def test_a_promise_has_an_owner_a_day_and_hours(plan: Plan):
    words = ("promise", "ann", "--as", "zoe", "--reason", "coaching on site")
    assert "Missing option '--until'" in agree(plan, *words).output
    for more, why in (
        (("--until", "soon"), "until 'soon' is no day"),
        (("--until", "2026-03-31", "--hours", "-1"), "hours are -1.0"),
        (("--until", "2026-03-31", "--owner", "mai"), "did you mean 'mia'"),
    ):
        assert why in agree(plan, *words, *more).stderr
    assert "ann may not promise" in refused(
        plan, "promise", "ann", "--as", "ann", "--reason", "x", "--until", "2026-03-31"
    )
    more = ("--until", "2026-03-31", "--hours", "12", "--owner", "mia")
    assert agree(plan, *words, *more).exit_code == 0
    assert agree(plan, *words, "--until", "2020-01-01", "--hours", "2").exit_code == 0
    assert status(plan, "ann") == "not started"
    promises = promises_of(read_events(Door.open(plan).log))
    assert promises[["rep_id", "promise", "owner", "hours"]].to_numpy().tolist() == [
        ["ann", "coaching on site", "zoe", 2.0],
        ["ann", "coaching on site", "mia", 12.0],
    ]


def test_promised_hours_are_spread_up_to_the_month_they_are_due_in(plan: Plan):
    rows = [
        ("mia", "2026-03-31", "2025-11-30", 12),  # January to March
        ("mia", "2026-06-01", "2026-05-20", 4),  # May and June
        ("mia", "2026-02-28", "2026-07-01", 3),  # said too late: when it was due
        ("zoe", "2027-05-01", "2026-11-02", 8),  # beyond the plan: to its end
        ("zoe", "2025-01-01", "2025-01-01", 1),
        ("zoe", "2026-01-01", "2025-01-01", 0),
    ]
    table = pd.DataFrame(rows, columns=["owner", "until", "said_on", "hours"])
    for name in ("until", "said_on"):
        table[name] = pd.to_datetime(table[name])
    table["rep_id"] = [f"r{number}" for number in range(len(table))]
    hours = promised_hours(table, plan.settings)
    assert set(hours.loc[hours["rep_id"] == "r0", "hours"]) == {4.0}
    hours = hours.groupby(["manager_id", "month"])["hours"].sum()
    assert {(who, month.month): amount for (who, month), amount in hours.items()} == {
        **{("mia", 1): 4, ("mia", 2): 7, ("mia", 3): 4, ("mia", 5): 2, ("mia", 6): 2},
        **{("zoe", 1): 1, ("zoe", 11): 4, ("zoe", 12): 4},
    }
    assert promised_hours(table[:0], plan.settings).empty


def test_promised_hours_stand_in_the_managers_plan(plan: Plan):
    before = manager_plan_of(step_today(plan, Door.open(plan).prepared, "North"))
    words = ("promise", "ann", "--as", "mia", "--until", "2026-02-28", "--hours", "40")
    assert agree(plan, *words, "--reason", "joint visits").exit_code == 0
    after = manager_plan_of(step_today(plan, Door.open(plan).prepared, "North"))
    needed = after.capacity["hours_required"] - before.capacity["hours_required"]
    mine = after.capacity["manager_id"] == "mia"
    # Where the year is full already, coaching beyond its floor makes room for what was promised.
    assert needed[mine].sum() <= 40 and (needed[~mine] == 0).all()
    promised = after.hours[after.hours["activity"] == "promised"].set_index(["manager_id", "month"])
    assert promised["hours"].loc["mia"].sum() == 40


def test_an_agreement_may_rest_on_an_assumption_that_is_known(plan: Plan):
    words = ("accept", "ann", "250", "--as", "ann", "--tied-to")
    assert "assumption: 1 unknown label: 'A1'" in agree(plan, *words, "A1").stderr
    (plan.folder / "scenarios").mkdir()
    (plan.folder / "scenarios" / "base.toml").write_text(ASSUMED)
    done = agree(plan, *words, "A1")
    assert done.exit_code == 0, done.stderr
    assert Door.open(plan).stand("ann")["tied_to"].item() == "A1"
    assert agree(plan, "start").output.startswith("added 0, unchanged 4\n")
    # A competitor comes after all: what was agreed on the opposite is talked about again.
    (plan.folder / "scenarios" / "base.toml").write_text(ASSUMED + "actual = -0.2\n")
    step = step_today(plan, Door.open(plan).prepared, "North")
    (tied,) = [row for row in tied_findings(step)]
    assert tied["status"] == "fail" and "A1 is breached: -0.2, assumed -0.1 to 0" in tied["message"]
    found = json.loads(agree(plan, "start", "--json").stdout)
    (told,) = [row["what"] for row in found if row["what"].startswith("reopened")]
    assert "no competitor comes to North" in told and status(plan, "ann") == "not started"
    assert Door.open(plan).stand("ann")["tied_to"].item() == ""
    assert "reopened" not in agree(plan, "start").output
    assert tied_findings(step_today(plan, Door.open(plan).prepared, "North")) == []


def test_an_agreement_under_another_scenario_is_said_and_not_mixed_in(plan: Plan):
    everybody_of_north_is_through(plan)
    (plan.folder / "scenarios").mkdir()
    (plan.folder / "scenarios" / "other.toml").write_text('note = "as base"\n')
    prepared = Door.open(plan).prepared
    base, other = (step_today(plan, prepared, "North", name) for name in ("base", "other"))
    assert goals_of(base).standing() == 480 and goals_of(base).people("agreed") == ["ann"]
    assert goals_of(other).standing() == 500 and goals_of(other).people("allocated") == WHO_NORTH
    (said,) = other_scenario_findings(other)
    assert "2 goals were agreed or decided under the scenario 'base'" in said["message"]
    assert other_scenario_findings(base) == []
    assert "cannot be published" not in agree(plan, "publish", "North", "--as", "plan").stderr


def test_who_leaves_in_the_middle_keeps_nobody_from_publishing(plan: Plan):
    everybody_of_north_is_through(plan)
    reps = plan.folder / "data" / "reps.csv"
    head, *rows = reps.read_text().splitlines()
    rows = [f"{row},{'2025-12-01' if row.startswith('bob') else ''}" for row in rows]
    reps.write_text("\n".join([f"{head},left_on", *rows]) + "\n")
    found = json.loads(agree(plan, "show", "--json").stdout)
    assert {row["rep_id"] for row in found} == set(WHO)  # what was said stays
    done = agree(plan, "publish", "North", "--as", "plan", "--reason", "bob has left")
    assert done.exit_code == 0, done.stderr
    goals = Door.open(plan).versions("North")[0].table("goals")
    assert set(goals["rep_id"]) == {"ann"} and goals["goal"].sum() == 250


def test_of_two_who_decide_at_once_one_is_told_that_it_is_decided(plan: Plan):
    assert agree(plan, "escalate", "bob", "--as", "bob", "--reason", "far apart").exit_code == 0
    told: list[str] = []
    start = Barrier(2)

    def decide(amount: int) -> None:
        door = Door.open(plan)
        start.wait()
        try:
            door.say(Event("decide", "bob", "zoe", amount, "so be it"))
        except DataError as error:
            told.append(str(error))

    threads = [Thread(target=decide, args=(amount,)) for amount in (210, 230)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (refusal,) = told
    assert "decide is not possible, the goal is decided (by zoe)" in refusal
    assert Door.open(plan).stand("bob")["agreed"].item() in (210, 230)


def test_a_manager_who_carries_a_goal_is_a_person_of_the_own_manager(plan: Plan):
    voices = Door.open(plan).voices
    voices.require("propose", "mia", "mia")
    voices.require("counter", "mia", "zoe")
    assert voices.may_accept("mia", "zoe") == ["proposed"]
    assert voices.may_accept("mia", "mia") == ["countered", "assigned"]
    for kind, who in (("counter", "mia"), ("decide", "mia"), ("decide", "zoe"), ("promise", "mia")):
        with pytest.raises(DataError, match=f"{who} may not {kind}"):
            voices.require(kind, "mia", who)


def test_a_target_that_moves_after_all_accepted_is_said_before_it_is_published(plan: Plan):
    everybody_of_north_is_through(plan)
    toml = plan.folder / "plan.toml"
    toml.write_text(toml.read_text().replace("company = 1000", "company = 1400"))
    found = json.loads(agree(plan, "start", "--json").stdout)
    told = {row["rep_id"]: row["what"] for row in found}
    assert told["ann"].startswith("the target was 500, now 700; another allocation")
    moved = load_plan(plan.folder)
    assert status(moved, "ann") == "accepted"  # what was agreed stands until it is reopened
    said = agree(plan, "publish", "North", "--as", "plan").stderr
    assert "220 below what is asked for" in said


def test_an_offer_before_the_register_has_owners_is_a_finding(plan: Plan):
    def said(scenario: str) -> dict[str, str]:
        (plan.folder / "scenarios").mkdir(exist_ok=True)
        (plan.folder / "scenarios" / "base.toml").write_text(scenario)
        step = step_today(plan, Door.open(plan).prepared, "North")
        found = resting_findings(step, talks_begun=True)
        return {row["finding_id"]: row["message"] for row in found}

    assert "no assumption that anybody wrote down" in said("")["allocation.assumptions"]
    found = said(ASSUMED)
    assert "nobody has confirmed 1: 'A1'; they are worth" in found["allocation.assumptions"]
    assert "1 of 1 assumptions have no owner: 'A1'" in found["agreement.before_register"]
    assert said(ASSUMED + 'owner = "Mia"\n') == {}


ASSUMED = """
[assumptions.A1]
statement = "no competitor comes to North"
driver = "competitor_effect"
low = -0.1
base = 0.0
high = 0.0
"""


def everybody_of_north_is_through(plan: Plan) -> None:
    for words in (
        ("accept", "ann", "250", "--as", "ann"),
        ("escalate", "bob", "--as", "mia", "--reason", "far apart"),
        ("decide", "bob", "230", "--as", "zoe", "--reason", "smaller territory"),
    ):
        assert agree(plan, *words).exit_code == 0


def test_goals_are_published_once_everybody_is_through(plan: Plan):
    said = agree(plan, "publish", "North", "--as", "plan").stderr
    assert "2 of 2 people have not accepted, and nothing was decided for them: 'ann', 'bob'" in said
    everybody_of_north_is_through(plan)
    said = agree(plan, "publish", "North", "--as", "plan").stderr
    assert "20 below what is asked for; to publish them so needs a reason in words" in said
    why = ("--reason", "the territory shrank")
    for who, words in (("mia", "mia may not"), ("ann", "ann may not"), ("zoo", "mean 'zoe'")):
        done = agree(plan, "publish", "North", "--as", who, *why)
        assert done.exit_code == (0 if who == "mia" else 3) or words in done.stderr
    published = Door.open(plan).versions("North")
    assert [version.number for version in published] == [1]
    goals = published[0].table("goals")
    assert goals.groupby("rep_id")["goal"].sum().to_dict() == {"ann": 250.0, "bob": 230.0}
    assert set(goals["basis"]) == {"agreed", "decided"}
    steps = published[0].table("steps").groupby("rep_id")["amount"].sum()
    assert steps.to_dict() == {"ann": 250.0, "bob": 230.0}
    line = read_events(Door.open(plan).log).iloc[-1]
    said = json.loads(line["basis"])
    assert (line["kind"], line["actor"], line["reason"]) == ("publish", "mia", why[1])
    assert (said["version"], said["gap"], said["digest"]) == ("1", "-20", published[0].digest)
    assert "published: version 1" in agree(plan, "show", "North").output


def test_what_changes_later_is_a_new_version_shown_as_a_difference(plan: Plan):
    everybody_of_north_is_through(plan)
    why = ("--reason", "so be it")
    assert agree(plan, "publish", "North", "--as", "zoe", *why).exit_code == 0
    assert (
        "nothing has changed since version 1"
        in agree(plan, "publish", "North", "--as", "zoe", *why).stderr
    )
    assert [p.name for p in (plan.published_folder / "North").iterdir()] == ["v1"]
    for words in (
        ("reopen", "ann", "270", "--as", "mia", "--reason", "won a tender"),
        ("accept", "ann", "270", "--as", "ann"),
    ):
        assert agree(plan, *words).exit_code == 0
    assert (
        "version 1 is published; another one needs a reason"
        in agree(plan, "publish", "North", "--as", "zoe").stderr
    )
    done = agree(plan, "publish", "North", "--as", "zoe", "--reason", "tender of ann", "--json")
    (row,) = json.loads(done.stdout)
    assert (row["rep_id"], row["was"], row["goal"], row["difference"]) == ("ann", 250, 270, 20)
    assert (row["by"], row["why"]) == ("ann", "won a tender")
    first, second = Door.open(plan).versions("North")
    assert first.table("goals")["goal"].sum() == 480 and second.table("goals")["goal"].sum() == 500
    assert second.table("changes")["rep_id"].tolist() == ["ann"]


def test_a_published_table_that_was_changed_or_lost_is_named(plan: Plan):
    everybody_of_north_is_through(plan)
    agree(plan, "publish", "North", "--as", "zoe", "--reason", "so be it")
    assert agree(plan, "verify").exit_code == 0
    goals = plan.published_folder / "North" / "v1" / "goals.csv"
    text = goals.read_text()
    goals.write_text(text.replace(",ann,", ",bob,", 1))
    done = agree(plan, "verify")
    assert done.exit_code == 3 and "version 1 of North was changed after it was" in done.output
    goals.unlink()
    assert "version 1 of North is not there" in agree(plan, "verify").output
    goals.write_text(text)
    assert agree(plan, "verify").exit_code == 0


def test_a_run_of_another_log_and_a_digest_of_no_line_are_named_by_verify(plan: Plan):
    digest = read_events(Door.open(plan).log)["digest"].iloc[2]
    assert agree(plan, "verify", "--digest", digest).exit_code == 0
    assert agree(plan, "verify", "--digest", "0" * 64).exit_code == 3
    run = plan.runs_folder / "1"
    run.mkdir(parents=True)
    (run / "manifest.json").write_text(json.dumps({"agreement": {"digest": "f" * 64}}))
    assert "1 digests noted elsewhere are not in the log" in agree(plan, "verify").output


def test_next_years_plan_reads_published_goals_as_its_last_ones(plan: Plan, tmp_path: Path):
    everybody_of_north_is_through(plan)
    agree(plan, "publish", "North", "--as", "zoe", "--reason", "so be it")
    goals = plan.published_folder / "North" / "v1" / "goals.csv"
    text = (plan.folder / "plan.toml").read_text()
    text = text.replace("starts_on = 2026-01-01", "starts_on = 2027-01-01")
    text += '\n[sources.goals]\nfile = "data/goals.csv"\n'
    shutil.copytree(plan.folder / "data", tmp_path / "next" / "data")
    shutil.copy(goals, tmp_path / "next" / "data" / "goals.csv")
    (tmp_path / "next" / "plan.toml").write_text(text)
    coming = load_plan(tmp_path / "next")
    region = open_inputs(coming, prepare(coming), "North")
    reviewed = attainment(region, ["rep_id"]).set_index("rep_id")["goal"]
    assert reviewed.to_dict() == {"ann": 250.0, "bob": 230.0}


def test_the_offered_goals_are_those_of_the_allocation(plan: Plan):
    door = Door.open(plan)
    words = first_words(plan, door.prepared)
    assigned = {e.rep_id: e.amount for part in words.values() for e in part if e.kind == "assign"}
    assert sum(assigned.values()) == 1000
    assert door.stand().set_index("rep_id")["assigned"].to_dict() == assigned
