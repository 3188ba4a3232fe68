"""A form for what happened: a question, who answers, the answer; the plan's table keeps it."""

from __future__ import annotations

import threading

import ipywidgets as w

from planning_kit.messages import PlanningError
from planning_kit.review import questions
from planning_kit.review.questions import PLANNER
from planning_kit.walk import Step
from planning_kit.walk.told import keep_answer
from planning_kit.widgets.notes import note

_WIDE = w.Layout(width="680px")
_LABEL = {"description_width": "110px"}
_KINDS = {"by its day": "", "a note": "note", "an event": "event", "an assumption": "assumption"}


class _Form:
    """Holds the fields; JupyterLab answers widgets on another thread, so saving is locked."""

    def __init__(self, step: Step) -> None:
        self.step, self.lock = step, threading.Lock()
        inputs = step.inputs
        asked = questions(inputs)
        options = {row["question"]: row["question_id"] for row in asked.to_dict("records")}
        ids = [*inputs.team()["rep_id"], *inputs.managers["rep_id"]]
        people = {inputs.names.get(one, one): one for one in dict.fromkeys(ids)}
        places = {inputs.names.get(one, one): one for one in inputs.territories["territory_id"]}
        style = {"layout": _WIDE, "style": _LABEL}
        self.question = w.Dropdown(
            options={**options, "a note nobody asked for": ""}, description="about", **style
        )
        self.speaker = w.Dropdown(
            options={"the planner": PLANNER, **people}, description="who says it", **style
        )
        self.kind = w.Dropdown(options=_KINDS, description="it is", **style)
        self.place = w.Dropdown(
            options={"as in the question": "", **places}, description="territory", **style
        )
        self.day = w.DatePicker(description="began on", style=_LABEL)
        self.text = w.Textarea(description="answer", **style)
        self.button = w.Button(
            description="Keep it", tooltip="Write it into data/answers.csv of the plan"
        )
        self.message = w.HTML()
        self.button.on_click(lambda _: self.save())

    def save(self) -> None:
        with self.lock:
            try:
                row = keep_answer(
                    self.step.plan,
                    self.text.value,
                    self.speaker.value,
                    self.question.value,
                    self.kind.value,
                    day=self.day.value,
                    about={"territory_id": self.place.value},
                )
            except PlanningError as error:
                self.message.value = note(str(error), "#B00020")
                return
            self.text.value = ""
            said = f"{row['what']}: {row['kind']} {row['answer_id']}; it stands here from the next run on"
            self.message.value = note(said, "#00612E")

    def view(self) -> w.VBox:
        fields = [self.question, self.speaker, self.kind, self.place, self.day, self.text]
        return w.VBox([*fields, self.button, self.message])


def answer_panel(step: Step) -> w.VBox:
    """Give a form that keeps what people say happened in the plan, with name and day.

    Parameters
    ----------
    step
        The opened step; its region's questions are offered.
    """
    return _Form(step).view()
