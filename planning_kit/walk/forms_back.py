"""Forms back: what filled ones say, checked as a whole, becomes moves of the negotiation."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from planning_kit.agreement import PLANNER, Event, append, evidence_problems, read_events
from planning_kit.agreement.door import Door
from planning_kit.agreement.evidence import evidence_line
from planning_kit.agreement.state import CLOSED
from planning_kit.data import open_inputs
from planning_kit.data.forms import FilledForm, read_form
from planning_kit.data.table_files import guard
from planning_kit.messages import DataError, UsageError, unknown_labels
from planning_kit.numbers.units import from_units, to_units
from planning_kit.plan import Plan, month_starts, write_atomically
from planning_kit.walk.forms_out import PERIODS, last_words, plan_header

MOST_TIMES, LEAST_SHARE = 10.0, 0.01  # of the offered goal: beyond them the unit must be wrong
CONCERN_COLUMNS = ("rep_id", "rep", "assumption_id", "concern", "file")
ANSWER_COLUMNS = ("rep_id", "rep", "product_line", "months", "amount", "file")
PROBLEM_COLUMNS = ("file", "cell", "message", "advice")
_BESIDE = (".eml", ".csv", ".db")  # what lies beside forms by the kit's own doing
_WORKBOOKS = (".xlsx", ".xlsm", ".xls")
_OPEN = ("~$", ".~lock.")


@dataclass(frozen=True)
class FormsRead:
    """What a folder of forms brought.

    Attributes
    ----------
    forms : DataFrame
        ``file``, ``rep_id``, ``rep``, ``what`` (read, no proposal, already read, refused, skipped,
        no form yet), ``amount`` (proposed, plan currency) and ``note``.
    problems : DataFrame
        ``file``, ``cell``, ``message``, ``advice``: why forms were refused.
    findings : DataFrame
        What is odd about the evidence, see `planning_kit.agreement.evidence_problems`.
    """

    forms: pd.DataFrame
    problems: pd.DataFrame
    findings: pd.DataFrame


def read_forms(
    plan: Plan, folder: Path, speaker: str = PLANNER, reason: str = "", user: str = ""
) -> FormsRead:
    """Take filled forms into the negotiation; a form with a problem is refused as a whole.

    Each form is a proposal of its person, with the evidence, and notes with concerns and needs.
    Beside the forms `concerns.csv` and `answers.csv` are written.

    Parameters
    ----------
    plan, folder
        The plan, and where the forms lie.
    speaker
        Who hands the forms in: the planner, or the id of somebody above the people.
    reason
        In words, besides whose form it is and who read it.
    user
        Who is logged in.

    Raises
    ------
    UsageError
        There is no such folder.
    """
    if not folder.is_dir():
        raise UsageError(f"{str(folder)!r} is no folder.")
    door = Door.open(plan)
    desk = _Desk(door, speaker, reason, user)
    rows: list[dict[str, Any]] = []
    forms: list[FilledForm] = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if path.name.startswith(_OPEN):
            rows.append(_row(path, "skipped", "a form is open in Excel or LibreOffice: close it"))
        elif path.suffix.lower() in _WORKBOOKS:
            forms.append(read_form(path))
        elif path.suffix.lower() not in _BESIDE:
            rows.append(_row(path, "skipped", "no form"))
    rows += [_row(f.path, "skipped", "no form of this kit") for f in forms if _is_other(f)]
    forms = [form for form in forms if not _is_other(form)]
    for form in forms:
        desk.check(form, Counter(f.meta.get("rep_id", "") for f in forms))
    rows += desk.hand_in(forms)
    sound = [form for form in forms if not form.problems]
    _write(folder / "concerns.csv", CONCERN_COLUMNS, desk.concerns(sound))
    _write(folder / "answers.csv", ANSWER_COLUMNS, desk.answers(sound))
    rows += desk.missing(forms)
    columns = ["file", "rep_id", "rep", "what", "amount", "note"]
    return FormsRead(
        pd.DataFrame(rows, columns=columns).sort_values(["file", "rep_id"], ignore_index=True),
        pd.DataFrame([p for f in forms for p in f.problems], columns=list(PROBLEM_COLUMNS)),
        desk.findings(sound),
    )


def _is_other(form: FilledForm) -> bool:
    return not form.meta and not form.problems


def _row(path: Path, what: str, note: str = "", **more: Any) -> dict[str, Any]:
    return {"file": path.name, "rep_id": "", "rep": "", "what": what, "note": note, **more}


@dataclass(frozen=True, eq=False)
class _Desk:
    """Where forms are handed in: what the negotiation knows, and who hands them in."""

    door: Door
    speaker: str
    reason: str
    user: str

    @cached_property
    def _lines(self) -> pd.DataFrame:
        return read_events(self.door.log)

    @cached_property
    def _state(self) -> pd.DataFrame:
        return self.door.stand().set_index("rep_id")

    @cached_property
    def _last_words(self) -> dict[str, str]:
        return last_words(self._lines)

    @cached_property
    def _read_before(self) -> dict[str, tuple[str, str]]:
        """Give answers and time of the forms that were read, by form."""
        known = self._lines[self._lines["basis"].str.contains('"form"', regex=False)]
        bases = [(json.loads(b), t) for b, t in zip(known["basis"], known["time"], strict=True)]
        return {basis["form"]: (basis["answers"], time) for basis, time in bases}

    def check(self, form: FilledForm, counts: Mapping[str, int]) -> None:
        """Note everything that keeps a form from going in."""
        if form.problems:
            return
        rep_id = form.meta["rep_id"]
        if form.meta["plan"] != plan_header(self.door):
            form.problem("", f"is a form of another plan ({_plan_of(form)})", "read it there")
        elif text := unknown_labels([rep_id], self._state.index):
            form.problem("", f"person: {text}", "begin with planning-kit agree start")
        elif counts[rep_id] > 1:
            form.problem("", f"{counts[rep_id]} forms of {rep_id} lie here", "keep the right one")
        elif not self.was_read(form):
            self._check_time(form, rep_id)
            _check_goal(form)
            for row in form.rows["evidence"]:
                _check_evidence(form, row)
            for row in form.rows["concern"]:
                if not (row["assumption"] and row["concern"]):
                    form.wrong(
                        row["key"], "assumption", "half a concern", "choose, and say what you see"
                    )

    def was_read(self, form: FilledForm) -> bool:
        """Say if just these answers are in the log already."""
        return self._read_before.get(form.meta["form"], ("", ""))[0] == form.answers()

    def _check_time(self, form: FilledForm, rep_id: str) -> None:
        again = "write a new form: planning-kit forms write"
        if form.meta["form"] in self._read_before:
            when = self._read_before[form.meta["form"]][1][:10]
            form.problem("", f"was read on {when} with other answers", again)
        elif form.meta["answers"] != self._last_words[rep_id]:
            last = self._state.loc[rep_id]
            form.problem(
                "",
                f"answers what was said before: since then {last['last_by']} has said "
                f"{last['last_kind']} ({str(last['last_at'])[:10]})",
                again,
            )

    def hand_in(self, forms: Sequence[FilledForm]) -> list[dict[str, Any]]:
        """Put the sound forms into the log, and say what became of each."""
        new = [(form, self.events(form)) for form in forms if self._is_new(form)]
        voices, user = self.door.voices, self.user
        try:
            append(self.door.log, [e for _, events in new for e in events], voices, user)
        except DataError:  # one by one: the others go in
            for form, events in new:
                try:
                    append(self.door.log, events, voices, user)
                except DataError as error:
                    form.problem("", str(error).removeprefix("agreement log: "), "see agree show")
        return [self._told(form) for form in forms]

    def _is_new(self, form: FilledForm) -> bool:
        return not form.problems and not self.was_read(form)

    def _told(self, form: FilledForm) -> dict[str, Any]:
        rep_id = form.meta.get("rep_id", "")
        rep = self._name(rep_id)
        if form.problems:
            return _row(
                form.path, "refused", f"{len(form.problems)} problem(s)", rep_id=rep_id, rep=rep
            )
        amount, what = _proposed(form), "read"
        if self.was_read(form):
            what = "already read"
        elif amount is None:
            what = "no proposal"
        note = "; ".join(form.notes)
        number = None if amount is None else float(amount)
        return _row(form.path, what, note, rep_id=rep_id, rep=rep, amount=number)

    def _name(self, rep_id: str) -> str:
        return str(self._state["rep"].get(rep_id, ""))

    def events(self, form: FilledForm) -> list[Event]:
        """Turn a form into moves: what was said first, the number last."""
        rep_id = form.meta["rep_id"]
        whose = f"form of {self._name(rep_id)}, read by {self.user or self.speaker}"
        whose += f": {self.reason}" if self.reason else ""
        basis = {"form": form.meta["form"], "answers": form.answers()}
        who: dict[str, Any] = {"rep_id": rep_id, "actor": self.speaker, "basis": basis}
        who["behalf"] = "" if self.speaker == rep_id else rep_id
        events = []
        for row in form.rows["concern"]:
            name, doubt = row["assumption"].partition(":")[0], row["concern"]
            doubted = who | {"basis": {**basis, "assumption": name, "doubt": doubt}}
            reason = f"doubts {row['assumption']!r}: {doubt} ({whose})"
            events.append(Event("note", reason=reason, **doubted))
        for row in form.rows["need"]:
            reason = f"needs from the company: {row['text']} ({whose})"
            events.append(Event("note", reason=reason, **who))
        amount = _proposed(form)
        if amount is None:
            return events
        unit = float(self.door.log.header["rounding_unit"])
        rounded = from_units(int(to_units(pd.Series([float(amount)]), unit).iloc[0]), unit)
        reasons = [row["text"] for row in form.rows["why"]] + [whose]
        if abs(rounded - float(amount)) > 1e-6:
            reasons.append(f"rounded from {amount:,}")
        evidence = [evidence_line(row) for row in _counted(form)]
        number = Decimal(f"{rounded:.12g}")
        return [
            *events,
            Event("propose", amount=number, reason="; ".join(reasons), evidence=evidence, **who),
        ]

    def concerns(self, forms: Iterable[FilledForm]) -> list[tuple[str, ...]]:
        """List doubts about assumptions with whose they are: candidates of the register."""
        return [
            (
                rep,
                self._name(rep),
                row["assumption"].partition(":")[0],
                row["concern"],
                form.path.name,
            )
            for form in forms
            for rep in [form.meta["rep_id"]]
            for row in form.rows["concern"]
        ]

    def answers(self, forms: Iterable[FilledForm]) -> list[tuple[str, ...]]:
        """List own goals by product line and months."""
        settings = self.door.plan.settings
        months = month_starts(settings.starts_on, settings.ends_on)
        length = -(-len(months) // PERIODS)
        parts = [months[at : at + length] for at in range(0, len(months), length)]
        labels = [f"{part[0]:%Y-%m} to {part[-1]:%Y-%m}" for part in parts]
        return [
            (
                rep,
                self._name(rep),
                row["product_line"],
                label,
                f"{row[str(n)]:.12g}",
                form.path.name,
            )
            for form in forms
            for rep in [form.meta["rep_id"]]
            for row in form.rows["goal"]
            for n, label in enumerate(labels)
            if row[str(n)] is not None
        ]

    def missing(self, forms: Sequence[FilledForm]) -> list[dict[str, Any]]:
        """List who of the same regions has sent no form, and has not agreed either."""
        sent = {form.meta.get("rep_id", "") for form in forms}
        regions = set(self._state["region"].reindex(list(sent)).dropna())
        state = self._state[
            self._state["region"].isin(regions) & ~self._state["status"].isin(CLOSED)
        ]
        return [
            _row(Path(""), "no form yet", rep_id=rep_id, rep=rep) | {"file": ""}
            for rep_id, rep in state["rep"].items()
            if rep_id not in sent
        ]

    def findings(self, forms: Sequence[FilledForm]) -> pd.DataFrame:
        """Say what is odd about the evidence of all forms together."""
        rows = [
            {"rep_id": form.meta["rep_id"], **row, "account_id": _label(row, form)}
            for form in forms
            for row in _counted(form)
        ]
        goals = {form.meta["rep_id"]: _goal(form) for form in forms}
        names = ("account_id", "product_line", "opportunity_id", "amount", "probability")
        table = pd.DataFrame(rows, columns=["rep_id", *names])
        company = open_inputs(self.door.plan, self.door.prepared)
        return evidence_problems(table, company, goals)


def _plan_of(form: FilledForm) -> str:
    try:
        return str(json.loads(form.meta["plan"])["plan"])
    except (ValueError, KeyError, TypeError):
        return "unknown"


def _label(row: Mapping[str, Any], form: FilledForm) -> str | None:
    """Give the customer of a row; a row that sums up several is of none."""
    return None if row["key"] in form.meta.get("more", "").split() else row["account_id"]


def _counted(form: FilledForm) -> list[dict[str, Any]]:
    return [row for row in form.rows["evidence"] if row["amount"] is not None]


def _numbers(form: FilledForm) -> list[tuple[dict[str, Any], str, float | None]]:
    """List the cells of the own goal, with the field each is."""
    names = {field for _, field in form.places if field in ("0", "1", "2", "3")}
    return [(row, name, row[name]) for row in form.rows["goal"] for name in sorted(names)]


def _proposed(form: FilledForm) -> Decimal | None:
    given = [value for _, _, value in _numbers(form) if value is not None]
    if not given:
        return None
    return sum((Decimal(f"{v:.12g}") for v in given), Decimal(0))


def _goal(form: FilledForm) -> float:
    amount = _proposed(form)
    return float(form.meta["offered"]) if amount is None else float(amount)


def _check_goal(form: FilledForm) -> None:
    """See that an own goal has every cell or none, and is of the order of the offered one."""
    cells, amount = _numbers(form), _proposed(form)
    if amount is None:
        form.notes.append("the own goal is empty: no proposal")
        return
    for row, name, value in cells:
        if value is None:
            form.wrong(
                row["key"], name, "is empty, others are not", "write 0 where you expect nothing"
            )
    offered, place = float(form.meta["offered"]), cells[0][0]["key"]
    if offered and not LEAST_SHARE * offered <= float(amount) <= MOST_TIMES * offered:
        message = f"the own goal is {amount:,} in all, the offered one {offered:,.12g}"
        form.wrong(place, cells[0][1], message, "write whole amounts, not thousands")


def _check_evidence(form: FilledForm, row: Mapping[str, Any]) -> None:
    key = row["key"]
    if row["amount"] is None:
        form.notes.append(f"{form.places.get((key, 'amount'), '')} has no amount: not counted")
        return
    if row["probability"] is None:
        form.wrong(key, "probability", "is empty", "say how likely it is, like 50 %")
    if not (row["account_id"] or row["product_line"] or row["opportunity_id"]):
        form.wrong(key, "account_id", "nothing says what it is", "name customer, line or deal")


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table for a spreadsheet; text never begins a formula there."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([guard(v) for v in row])
    write_atomically(path, text.getvalue())
