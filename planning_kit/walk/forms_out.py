"""Forms out: what stands on everybody's, and what they answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from planning_kit.agreement import read_events, suggested_evidence
from planning_kit.agreement.door import Door
from planning_kit.agreement.evidence import CUSTOMER, REST
from planning_kit.agreement.state import CLOSED, NO_WORD
from planning_kit.messages import DataError, UsageError, require_labels
from planning_kit.numbers.rounding import split_units
from planning_kit.numbers.units import from_units, to_units
from planning_kit.output.forms import FormFacts, draft_mail, form_languages, form_words, write_form
from planning_kit.plan import Plan, folder_name, month_starts, write_atomically
from planning_kit.walk.first_words import step_today
from planning_kit.walk.notebook import NotebookStep
from planning_kit.walk.talks import company_metrics_year, goals_of, metric_year

MOST_EVIDENCE, MOST_ASSUMPTIONS = 14, 8  # rows on the form; further evidence is summed up
LEAST_PEERS = 5  # fewer could tell who is who
PERIODS = 4  # that own goals are written by


def write_forms(
    plan: Plan, regions: Sequence[str] = (), language: str = "en", out: Path | None = None
) -> pd.DataFrame:
    """Write a form and a draft mail for everybody whose goal is not agreed yet.

    Parameters
    ----------
    plan
        Its negotiation has to have begun: a form answers what was offered there.
    regions
        Some regions; by default all.
    language
        Words of the forms, see `planning_kit.output.forms.form_languages`.
    out
        A folder; by default ``forms`` in the plan. Each region has a folder in it.

    Returns
    -------
    pandas.DataFrame
        ``region``, ``rep_id``, ``rep``, ``what`` (written, or why not) and ``file``.

    Raises
    ------
    UsageError
        Nobody speaks that language.
    DataError
        An unknown region, or a negotiation that has not begun.
    """
    if language not in form_languages():
        raise UsageError(f"no words in {language!r}; there are {', '.join(form_languages())}.")
    door = Door.open(plan)
    require_labels(regions, door.prepared.regions, "regions")
    rows = []
    for region in regions or door.prepared.regions:
        state = door.stand()
        state = state[state["region"] == region].set_index("rep_id")
        if len(state):
            folder = (out or plan.folder / "forms") / folder_name(region)
            rows += _write_region(door, state, region, language, folder)
    if not rows:
        raise DataError("nobody negotiates here yet: begin with planning-kit agree start.")
    return pd.DataFrame(rows, columns=["region", "rep_id", "rep", "what", "file"])


def _write_region(
    door: Door, state: pd.DataFrame, region: str, language: str, folder: Path
) -> list[dict[str, str]]:
    lines = read_events(door.log)
    scenario = _scenario_of(lines[lines["rep_id"].isin(state.index)])
    asked = Asked(step_today(door.plan, door.prepared, region, scenario), state)
    words, answers, rows = form_words(language), last_words(lines), []
    for rep_id, rep, status in zip(state.index, state["rep"], state["status"], strict=True):
        row = {"region": region, "rep_id": rep_id, "rep": rep, "what": f"{status} already"}
        if status not in CLOSED:
            row["what"] = "no goal in today's allocation"
        if status not in CLOSED and rep_id in asked.steps:
            facts = asked.facts(rep_id, words)
            meta = _meta(door, asked, answers[rep_id], language)
            more = [f"evidence:{n}" for n, row in enumerate(facts.evidence) if row.get("more")]
            offered = f"{facts.offered:.12g}"
            meta |= {"rep_id": rep_id, "offered": offered, "more": " ".join(more)}
            meta["form"] = _digest(meta)
            form, name = write_form(facts, words, meta), folder_name(rep_id)
            write_atomically(folder / f"{name}.xlsx", form)
            mail = draft_mail(facts, words, f"{name}.xlsx", form)
            write_atomically(folder / f"{name}.eml", mail)
            row |= {"what": "written", "file": str(folder / f"{name}.xlsx")}
        rows.append(row)
    return rows


def _meta(door: Door, asked: Asked, answers: str, language: str) -> dict[str, str]:
    settings = door.plan.settings
    return {
        "plan": plan_header(door),
        "starts_on": settings.starts_on.isoformat(),
        "ends_on": settings.ends_on.isoformat(),
        "language": language,
        "answers": answers,
    }


def plan_header(door: Door) -> str:
    """Write what tells one plan's negotiation from another's."""
    told = {name: said for name, said in door.log.header.items() if name != "format"}
    return json.dumps(told, sort_keys=True)


def last_words(lines: pd.DataFrame) -> dict[str, str]:
    """Digest of everybody's last word in the log: what was said, and how many words came before.

    When and by which user it was said is no part of it, so that a form fits the same talk on
    another machine; notes, promises and signatures are no words.
    """
    said = lines[~lines["kind"].isin(NO_WORD)]
    said = said.assign(count=said.groupby("rep_id").cumcount())
    last = said.drop_duplicates("rep_id", keep="last")
    told = ("count", "kind", "amount", "product_line", "territory_id")
    rows = last[["rep_id", *told]].astype("str").to_numpy().tolist()
    bases = [_terms(text) for text in last["basis"]]
    return {row[0]: _digest({"word": row, **basis}) for row, basis in zip(rows, bases, strict=True)}


def _terms(basis: str) -> dict[str, str]:
    known: dict[str, str] = json.loads(basis or "{}")
    return {name: known.get(name, "") for name in ("scenario", "target", "allocation")}


def _digest(meta: Mapping[str, Any]) -> str:
    text = json.dumps(meta, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _scenario_of(lines: pd.DataFrame) -> str:
    """Name the scenario that was offered last."""
    offers = lines.loc[(lines["kind"] == "assign") & (lines["basis"] != ""), "basis"]
    return str(json.loads(offers.iloc[-1]).get("scenario", "base")) if len(offers) else "base"


@dataclass(frozen=True, eq=False)
class Asked:
    """What the forms of a region rest on, worked out once: its step, and where its talks stand."""

    step: NotebookStep
    state: pd.DataFrame

    @cached_property
    def offered(self) -> dict[str, float]:
        """The last number that the planner's side said, by person."""
        table = self.state["countered"].fillna(self.state["assigned"])
        return {str(rep_id): float(amount) for rep_id, amount in table.items()}

    @cached_property
    def steps(self) -> dict[str, list[tuple[str, float]]]:
        """The steps of everybody's goal; where another number is offered, the way to it too."""
        found = {}
        for rep_id, rows in goals_of(self.step).why().groupby("rep_id"):
            if rep_id in self.offered:
                steps = list(zip(rows["step"], rows["amount"].astype(float), strict=True))
                changed = self.offered[str(rep_id)] - rows["amount"].sum()
                found[str(rep_id)] = [*steps, ("changed", float(changed))]
        return found

    @cached_property
    def _years(self) -> dict[str, dict[str, float]]:
        years = self.step.attainment(by="rep").set_index("rep_id")
        years = years[["goal", "actual", "attainment"]].rename(columns={"actual": "result"})
        return _by_id(years)

    @cached_property
    def _growth(self) -> pd.Series:
        """What is asked of everybody over last year's result."""
        known = {rep: year["result"] for rep, year in self._years.items() if year["result"] > 0}
        return (pd.Series(self.offered) / pd.Series(known, dtype="float64") - 1).dropna()

    @cached_property
    def _middle(self) -> list[float]:
        return [float(share) for share in self._growth.quantile([0.25, 0.5, 0.75])]

    @cached_property
    def _metrics(self) -> dict[str, dict[str, float]]:
        return _by_id(metric_year(self.step).set_index("rep_id"))

    @cached_property
    def _company_metrics(self) -> dict[str, list[tuple[str, float, str]]]:
        years = company_metrics_year(self.step).dropna(subset="metric_goal")
        found: dict[str, list[tuple[str, float, str]]] = {}
        for rep, _, title, unit, _, goal in years.itertuples(index=False):
            found.setdefault(rep, []).append((title, goal, unit))
        return found

    @cached_property
    def _evidence(self) -> dict[str, list[dict[str, Any]]]:
        found = suggested_evidence(self.step.inputs, self.offered)
        found = found[found["kind"] != REST].rename(columns={"account_id": "label"})
        people: dict[str, list[dict[str, Any]]] = {}
        rows: list[Any] = found.astype(object).where(found.notna(), None).to_dict("records")
        for row in rows:
            people.setdefault(row["rep_id"], []).append(row)
        return people

    @cached_property
    def _parts(self) -> dict[str, pd.DataFrame]:
        cells = goals_of(self.step).cells
        sums = cells.groupby(["rep_id", "product_line"])["goal"].sum().reset_index()
        last = self.step.attainment(by=["rep", "product_line"])
        last = last.set_index(["rep_id", "product_line"])["actual"].rename("last")
        sums = sums.join(last, on=["rep_id", "product_line"])
        return {str(rep_id): rows for rep_id, rows in sums.groupby("rep_id")}

    @cached_property
    def _held(self) -> dict[str, set[str]]:
        held = self.step.inputs.held_on(self.step.inputs.settings.starts_on)
        return {str(rep): set(rows["territory_id"]) for rep, rows in held.groupby("rep_id")}

    def facts(self, rep_id: str, words: Mapping[str, Any]) -> FormFacts:
        """Say what stands on the form of one person."""
        step, settings = self.step, self.step.inputs.settings
        months = month_starts(settings.starts_on, settings.ends_on)
        length = -(-len(months) // PERIODS)
        evidence, names = self._evidence.get(rep_id, []), step.inputs.names
        boss = next(iter(step.inputs.managers_above(rep_id)), "")
        return FormFacts(
            who={
                "name": names.get(rep_id, rep_id),
                "region": step.inputs.name,
                "manager": names.get(boss, boss) or "–",
                "plan": settings.name,
                "currency": settings.currency,
                "period": _period(months),
            },
            why=self.steps[rep_id],
            last=self._years.get(rep_id, {}),
            peers=self._peers(rep_id),
            metrics=self._metrics.get(rep_id, {}),
            company=self._company_metrics.get(rep_id, []),
            lines=self._lines(rep_id),
            months=[months[at : at + length] for at in range(0, len(months), length)],
            evidence=_rows(evidence, words["evidence"]),
            rates=_rates(evidence),
            assumptions=self._assumptions(rep_id),
        )

    def _peers(self, rep_id: str) -> dict[str, float]:
        growth = self._growth
        if len(growth) < LEAST_PEERS or rep_id not in growth.index:
            return {}
        low, median, high = self._middle
        own = {"own": float(growth[rep_id]), "people": float(len(growth))}
        return own | {"low": low, "median": median, "high": high}

    def _lines(self, rep_id: str) -> list[tuple[str, float, float]]:
        """Split what is offered over the product lines as the allocated goals are split."""
        rows, unit = self._parts[rep_id], self.step.inputs.settings.rounding_unit
        whole = int(to_units(pd.Series([self.offered[rep_id]]), unit).iloc[0])
        offered = from_units(split_units(whole, to_units(rows["goal"].fillna(0.0), unit)), unit)
        return list(zip(rows["product_line"], rows["last"], offered, strict=True))

    def _assumptions(self, rep_id: str) -> list[tuple[str, str, str]]:
        """List the assumptions the goal rests on; those that nobody owns first."""
        here = self._held.get(rep_id, set())
        register = self.step.scenario.assumptions.items()
        found = [
            (name, entry.statement or entry.driver, entry.owner)
            for name, entry in register
            if not entry.territories or here & set(entry.territories)
        ]
        return sorted(found, key=lambda one: bool(one[2]))[:MOST_ASSUMPTIONS]


def _period(months: Sequence[date]) -> str:
    if len(months) == 12 and months[0].month == 1:
        return str(months[0].year)
    return f"{months[0]:%Y-%m} – {months[-1]:%Y-%m}"


def _by_id(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    rows: dict[Any, Any] = table.to_dict("index")
    return rows


def _rates(evidence: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    kinds = [("kept" if row["kind"] == CUSTOMER else "won", row) for row in evidence]
    return {n: row["probability"] for n, row in kinds if row["probability"] is not None}


def _rows(evidence: Sequence[Mapping[str, Any]], words: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give what brings most line by line, and the rest of deals and customers as a line each."""
    customers = [row for row in evidence if row["kind"] == CUSTOMER]
    deals = [row for row in evidence if row["kind"] != CUSTOMER]
    few = max(MOST_EVIDENCE // 2, MOST_EVIDENCE - len(customers))  # of the places deals may take
    deals, rest = deals[:few], deals[few:]
    most = MOST_EVIDENCE - len(deals)
    rows = [dict(row) for row in evidence if row in deals or row in customers[:most]]
    for name, part in (("other_deals", rest), ("other_customers", customers[most:])):
        if part:
            label, amount = words[name].format(count=len(part)), sum(row["amount"] for row in part)
            chance = part[0]["probability"]  # all deals of a person have one, all customers too
            rows.append({"label": label, "amount": amount, "probability": chance, "more": True})
    return rows
