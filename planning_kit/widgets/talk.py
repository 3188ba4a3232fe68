"""The moves of one person's talk as buttons; everything goes through the door of the log."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import ipywidgets as w
import pandas as pd

from planning_kit.agreement import MOVES, Event
from planning_kit.agreement.door import Door
from planning_kit.agreement.log import app_user
from planning_kit.agreement.promises import promise_basis
from planning_kit.messages import PlanningError
from planning_kit.messages.amounts import number_text, read_amount
from planning_kit.output.charts import chart_for
from planning_kit.output.charts.renderer import chart_svg, draws_pictures
from planning_kit.output.shown import show_table
from planning_kit.walk.first_words import after_every_line
from planning_kit.walk.notebook import NotebookStep
from planning_kit.walk.one_on_one import names_of_people
from planning_kit.widgets.notes import note
from planning_kit.widgets.static import with_static

_NOT_HERE = ("sign",)  # a letter is signed, see planning-kit letters sign
_AMOUNTS = ("propose", "counter", "accept", "decide", "reopen")
_STATE = "status assigned proposed countered agreed rounds coverage last_by"
_LABEL = {"description_width": "120px"}
_BUTTONS = {**_LABEL, "button_width": "auto"}
_opened = count()
_Table = tuple[Callable[[NotebookStep, str], pd.DataFrame], str]


class _Talk:
    """Holds the controls; JupyterLab answers widgets on another thread, so moves are locked."""

    def __init__(self, step: NotebookStep, rep_id: str, more: Mapping[str, _Table]) -> None:
        self.more = more
        self.step, self.door, self.lock = step, Door.open(step.plan), threading.Lock()
        self.names, self.filled = names_of_people(step), ""
        team = self.named(step.inputs.team()["rep_id"])
        self.person = w.Dropdown(options=team, value=rep_id, description="person", **_wide())
        self.move = w.ToggleButtons(options=[], description="move", style=_BUTTONS)
        self.move.add_class("planning-kit-moves")
        self.speaker = w.Dropdown(options=[], description="who speaks", **_wide())
        self.amount = w.Text(description="amount", placeholder="1,284,000", **_wide())
        self.reason = w.Text(description="reason", **_wide())
        self.until = w.Text(description="until", placeholder="2026-03-31", **_wide())
        self.hours = w.Text(description="hours in all", placeholder="0", **_wide())
        owners = [("who speaks", ""), *self.named(sorted(self.door.voices.everybody))]
        self.owner = w.Dropdown(options=owners, description="owner", **_wide())
        self.record = w.Button(description="Record", tooltip="Write this move into the log")
        self.message, self.state, self.picture, self.lines = (w.HTML() for _ in range(4))
        for text in (self.state, self.lines):  # tables look as they do under a cell
            text.add_class("jp-RenderedHTMLCommon")
            text.layout.overflow, text.tabbable = "auto", True  # keys can scroll what scrolls
        self.person.observe(lambda _: self.guarded(self.turn), names="value")
        self.move.observe(lambda _: self.ask(), names="value")
        self.speaker.observe(lambda _: self.fill(), names="value")
        self.record.on_click(lambda _: self.guarded(self.say))
        self.guarded(self.turn)

    def named(self, people: Iterable[str]) -> list[tuple[str, str]]:
        return [(self.names.get(who, who), who) for who in people]

    def guarded(self, act: Any) -> None:
        with self.lock:
            try:
                act()
            except PlanningError as error:
                self.message.value = note(str(error), "#B00020")

    def turn(self) -> None:
        """Turn to the person that is chosen."""
        self.message.value = self.filled = ""
        for field in (self.amount, self.reason, self.until, self.hours, self.owner):
            field.value = ""
        self.draw()

    def draw(self) -> None:
        """Show where the talk stands by now, and offer the moves that are possible."""
        step, who = after_every_line(self.step), self.person.value
        self.row = step.talk_state(who)
        known = self.door.lines(who)
        moves = MOVES[self.row["status"].iloc[0]] if len(known) else ()
        shown = [kind for kind in moves if kind not in ("assign", *_NOT_HERE)]
        shown += ["reopen"] if "assign" in moves else []
        self.move.options, self.move.value = shown, None  # the next move is chosen on purpose
        self.ask()
        if not shown:
            said = "nobody has begun this talk; begin with: planning-kit agree start"
            self.message.value = note(said, "#52606D")
        region = step.inputs
        self.state.value = show_table(self.row, _STATE, region=region)._repr_html_()
        tables = {"What was said": (step.talk_record(who), "")}
        tables |= {title: (make(step, who), picked) for title, (make, picked) in self.more.items()}
        self.lines.value = "".join(
            f"<h3>{title}</h3>{show_table(table, picked, region=region)._repr_html_()}"
            for title, (table, picked) in tables.items()
        )
        if draws_pictures():
            title = f"One to one: {self.names.get(who, who)}"
            chart = chart_for(step.talk_numbers(who), region=region, title=title)
            self.picture.value = chart_svg(chart.to_dict())

    def ask(self) -> None:
        """Ask for what the chosen move needs, of those who may make it."""
        kind, who, voices = self.move.value, self.person.value, self.door.voices
        may = voices.speakers("assign" if kind == "reopen" else kind, who) if kind else []
        if kind == "accept":
            may = [one for one in may if self.offered(one)]
        self.speaker.options = self.named(may)
        self.speaker.value = next(iter(may), None)
        self.record.disabled = not may
        _show(bool(kind), self.speaker, self.reason)
        _show(kind in _AMOUNTS, self.amount)
        _show(kind == "promise", self.until, self.hours, self.owner)
        self.fill()

    def offered(self, speaker: str | None) -> str:
        """Write the number that somebody may accept; empty: there is none."""
        words = self.door.voices.may_accept(self.person.value, speaker or "")
        said = (self.row[word].dropna() for word in words)
        return next(
            (number_text(amount.iloc[0], self.digits) for amount in said if len(amount)), ""
        )

    @property
    def digits(self) -> int:
        return 2 if self.step.inputs.settings.rounding_unit < 1 else 0

    def fill(self) -> None:
        """Fill in the number to accept, where nobody has typed another one."""
        if self.amount.value in ("", self.filled):
            is_offer = self.move.value == "accept"
            self.filled = self.offered(self.speaker.value) if is_offer else ""
            self.amount.value = self.filled

    def say(self) -> None:
        kind, who, speaker = self.move.value, self.person.value, self.speaker.value
        number, typed = None, self.amount.value.strip()
        if kind in _AMOUNTS:
            again = kind == "reopen" and not typed
            number = self.door.assigned(who) if again else read_amount(typed)
        basis = {}
        if kind == "promise":
            owner, hours = self.owner.value or speaker, self.hours.value.strip() or 0
            basis = promise_basis(owner, self.until.value.strip(), hours)
        move = "assign" if kind == "reopen" else kind
        event = Event(move, who, speaker, number, self.reason.value.strip(), basis=basis)
        self.door.say(event, app_user())
        self.turn()
        said = f"recorded: {self.names.get(speaker, speaker)}: {kind}"
        self.message.value = note(said, "#00612E")

    def view(self) -> w.VBox:
        asked = [self.speaker, self.amount, self.until, self.hours, self.owner, self.reason]
        moves = [self.person, self.move, *asked, self.record, self.message]
        return w.VBox([*moves, self.state, self.picture, self.lines])


def _wide() -> dict[str, Any]:
    return {"layout": w.Layout(width="auto", max_width="560px"), "style": _LABEL}


def _show(is_shown: bool, *fields: Any) -> None:
    for field in fields:
        field.layout.display = "" if is_shown else "none"


def talk_panel(step: NotebookStep, rep_id: str = "") -> w.VBox:
    """Give a button that opens the moves of one person's talk.

    Nothing is read from the log, or written to it, before somebody clicks.

    Parameters
    ----------
    step
        The opened step of the agreement; it shows the log as it was when it was opened, the panel
        as it is.
    rep_id
        Whose talk is opened first; empty: that with the largest gap.
    """
    button = w.Button(description="Open the talk", layout=w.Layout(width="180px"))
    # An id by order, so that a notebook that is run again says the same.
    box = w.VBox([button], model_id=uuid5(NAMESPACE_URL, f"talk_panel {next(_opened)}").hex)
    button.on_click(lambda _: setattr(box, "children", (talk_view(step, rep_id),)))
    words = "The moves of this talk are buttons where this notebook runs, and in planning-kit app."
    return with_static(box, f"<p>{words}</p>", words)


def talk_view(
    step: NotebookStep, rep_id: str = "", more: Mapping[str, _Table] | None = None
) -> w.Widget:
    """Give the moves of a person's talk, opened.

    Parameters
    ----------
    step, rep_id
        See `talk_panel`.
    more
        Tables about the person that are shown below, by their headings, with the columns of each.
    """
    try:
        return _Talk(step, step.whose_talk(rep_id), more or {}).view()
    except PlanningError as error:
        return w.HTML(note(str(error), "#B00020"))
