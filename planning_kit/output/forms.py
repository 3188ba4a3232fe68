"""The form a person answers: one page in Excel, with its words, its drop-downs and what it was sent as."""

from __future__ import annotations

import io
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from email.message import EmailMessage
from typing import Any, NamedTuple

import pandas as pd
import xlsxwriter

from planning_kit.data.forms import (
    COMPUTED,
    CORNER,
    INPUT,
    META,
    MOST_AMOUNT,
    cell_digest,
    checksum,
)
from planning_kit.messages.amounts import money_text, share_text
from planning_kit.output.workbook import SAFE
from planning_kit.plan import bundled

LISTS = "_lists"
EMPTY_ROWS, CONCERNS, NEEDS = 3, 3, 2
_LAST = "J"
_MOST_TEXT = 30_000
_WIDTHS = {"A": 2, "B": 27, "C": 13, "D": 12, "E": 11, "F": 11, "G": 11, "H": 11, "I": 13, "J": 13}
_INK, _BLUE, _YELLOW, _RULE, _PALE = "#1F2933", "#0000C0", "#FFFBD6", "#9AA5B1", "#EEF2F6"
_ALL_FORMATS: Mapping[str, Mapping[str, Any]] = {
    "title": {"bold": True, "font_size": 18},
    "small": {"font_color": "#52606D", "text_wrap": True},
    "head": {"bold": True, "font_size": 12, "bottom": 2, "bottom_color": _RULE},
    "subhead": {"bold": True, "font_color": "#52606D", "bottom": 1, "bottom_color": _RULE},
    "column": {"bold": True, "bg_color": _PALE},
    "column_in": {"bold": True, "bg_color": _PALE, "valign": "vcenter", "indent": 1},
    "column_right": {"bold": True, "bg_color": _PALE, "valign": "vcenter", "align": "right"},
    "text": {},
    "right": {"align": "right"},
    "missing": {"text_wrap": True, "valign": "vcenter", "bold": True, "font_color": "#B42318"},
    "money": {"num_format": "#,##0"},
    "share": {"num_format": "0.0 %"},
    "decimal": {"num_format": "#,##0.00"},
    "total": {"bold": True, "num_format": "#,##0", "top": 1},
    "total_text": {"bold": True, "top": 1},
    "total_share": {"bold": True, "num_format": "0 %"},
    "signed": {"num_format": "+#,##0;-#,##0;0"},
    "total_signed": {"bold": True, "num_format": "+#,##0;-#,##0;0", "top": 1},
}
_INPUT = {
    "font_color": _BLUE,
    "bg_color": _YELLOW,
    "border": 1,
    "border_color": "#D9C97A",
    "locked": False,
}
_INPUT_FORMATS: Mapping[str, Mapping[str, Any]] = {
    "in_text": {"text_wrap": True, "valign": "top"},
    "in_label": {"shrink": True},
    "in_reason": {"shrink": True, "indent": 1},
    "in_money": {"num_format": "#,##0"},
    "in_share": {"num_format": "0 %"},
    "in_month": {"num_format": "yyyy-mm", "align": "right"},
}


@dataclass(frozen=True)
class FormFacts:
    """What stands on the form of one person; amounts in plan currency.

    Attributes
    ----------
    who : mapping of str to str
        ``name``, ``region``, ``manager``, ``plan``, ``currency``, ``period``.
    why : sequence of (step, amount)
        The steps of the offered goal; they add up to it.
    last : mapping of str to float
        ``goal``, ``result`` and ``attainment`` of the reviewed period, where known.
    peers : mapping of str to float
        ``own``, ``low``, ``median``, ``high`` (growth asked, shares) and ``people``.
    metrics : mapping of str to float
        What the goal means in a year, by name of the metric.
    company : sequence of (title, value, unit)
        The same in metrics that the company added.
    lines : sequence of (product line, last year's result, offered)
    months : sequence of sequences of date
        The months of the plan, in the periods that own goals are written by.
    evidence : sequence of mappings
        ``label`` (customer), ``product_line``, ``opportunity_id``, ``amount``, ``probability``,
        ``month``, ``kind``; ``more`` is set where a row sums up several.
    rates : mapping of str to float
        ``won`` and ``kept``: what the probabilities were measured from.
    assumptions : sequence of (id, statement, owner)
    """

    who: Mapping[str, str]
    why: Sequence[tuple[str, float]]
    last: Mapping[str, float]
    peers: Mapping[str, float]
    metrics: Mapping[str, float]
    company: Sequence[tuple[str, float, str]]
    lines: Sequence[tuple[str, float, float]]
    months: Sequence[Sequence[date]]
    evidence: Sequence[Mapping[str, Any]]
    rates: Mapping[str, float]
    assumptions: Sequence[tuple[str, str, str]]

    @property
    def offered(self) -> float:
        """Add up the steps."""
        return sum(amount for _, amount in self.why)


def form_words(language: str) -> dict[str, Any]:
    """Read the words of a language from ``templates/form``."""
    path = bundled("templates") / "form" / f"{language}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def form_languages() -> list[str]:
    """List the languages there are."""
    return sorted(path.stem for path in (bundled("templates") / "form").glob("*.toml"))


def write_form(facts: FormFacts, words: Mapping[str, Any], meta: Mapping[str, str]) -> bytes:
    """Write one form as a workbook; same input, same bytes.

    Parameters
    ----------
    facts, words
        What stands on it, and in which words (`form_words`).
    meta
        What the form is sent as; it comes back unchanged (`planning_kit.data.forms.FilledForm`).
    """
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, SAFE)
    title = words["title"].format(**facts.who)
    book.set_properties({"title": title, "created": pd.Timestamp(facts.months[0][0])})
    page = _Page(book, words["sheet"])
    page.allowed = _limits(page, facts, words)
    for section in (_top, _offer, _own_goal, _evidence, _assumptions, _needs):
        section(page, facts, words)
    page.finish(meta, f"&L&8{facts.who['plan'].replace('&', '&&')[:80]}&R&8&P / &N")
    book.close()
    return buffer.getvalue()


def draft_mail(facts: FormFacts, words: Mapping[str, Any], name: str, form: bytes) -> bytes:
    """Write a mail to send the form with: a draft without an address; nothing is sent."""
    goal = money_text(facts.offered, facts.who["currency"])
    said = {key: " ".join(value.split()) for key, value in facts.who.items()}
    mail = EmailMessage()
    mail["Subject"] = words["mail"]["subject"].format(**said)
    mail["X-Unsent"] = "1"
    mail.set_content(words["mail"]["text"].strip().format(**said, goal=goal) + "\n")
    kind = "vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    mail.add_attachment(form, maintype="application", subtype=kind, filename=name)
    mail.set_boundary("=== planning-kit form ===".replace(" ", "_"))
    return bytes(mail)


class Cell(NamedTuple):
    """One cell of the page; ``to`` is the last column it reaches over, ``{r}`` its own row."""

    column: str
    value: Any = None
    style: str = "text"
    to: str = ""
    formula: str = ""
    is_input: bool = False


def _ask(column: str, style: str, value: Any = None, to: str = "") -> Cell:
    return Cell(column, value, style, to, is_input=True)


def _sum(column: str, cells: str, value: Any, style: str = "total") -> Cell:
    """Add up what is there; empty is not zero."""
    return Cell(column, value, style, formula=f'=IF(COUNT({cells})=0,"",SUM({cells}))')


class _Page:
    """The sheet while it is written: its last row, and what every cell is sent as."""

    def __init__(self, book: Any, name: str) -> None:
        self.book, self.name, self.row = book, name, 1
        self.sheet, self.lists = book.add_worksheet(name), book.add_worksheet(LISTS)
        base = {"font_name": "Calibri", "font_size": 10, "font_color": _INK, "valign": "vcenter"}
        looks = {**_ALL_FORMATS, **{n: {**_INPUT, **f} for n, f in _INPUT_FORMATS.items()}}
        self.formats = {n: book.add_format({**base, **f}) for n, f in looks.items()}
        self.cells: dict[str, dict[str, str]] = {}
        self.allowed: Mapping[str, Mapping[str, Any]] = {}
        self.sheet.write_row(0, 0, [CORNER, *list(_WIDTHS)[1:]])

    def line(self, *cells: Cell, key: str = "", height: float = 16.5) -> None:
        """Write the next row; what has no value is left out."""
        self.row += 1
        sent = self.cells.setdefault(key or f"row:{self.row}", {})
        self.sheet.write_string(f"A{self.row}", key or f"row:{self.row}")
        self.sheet.set_row(self.row - 1, height)
        for cell in cells:
            value = None if cell.value != cell.value else cell.value
            if cell.is_input or cell.formula or value is not None:
                self._write(cell, value)
                fixed = COMPUTED if cell.formula else cell_digest(value)
                sent[cell.column] = INPUT if cell.is_input else fixed

    def head(self, text: str) -> None:
        """Begin a section, after an empty row."""
        self.line(height=12)
        self.line(Cell("B", text, "head", _LAST), height=20)

    def _write(self, cell: Cell, value: Any) -> None:
        place, look = f"{cell.column}{self.row}", self.formats[cell.style]
        if cell.to:
            self.sheet.merge_range(f"{place}:{cell.to}{self.row}", "", look)
        if cell.formula:
            self.sheet.write_formula(place, cell.formula.format(r=self.row), look, value)
        elif isinstance(value, str):
            self.sheet.write_string(place, value, look)
        else:
            self.sheet.write(place, value, look)

    def choices(self, column: str, values: Sequence[Any]) -> str:
        """Keep a list for drop-downs on the hidden sheet: a literal one breaks at 255 characters."""
        for row, value in enumerate(values, 1):
            if isinstance(value, str):
                self.lists.write_string(f"{column}{row}", value)
            else:
                self.lists.write(f"{column}{row}", value, self.formats["in_month"])
        return f"={LISTS}!${column}$1:${column}${max(1, len(values))}"

    def allow(self, cells: str, name: str) -> None:
        """Allow only what can be, with the reason in words."""
        self.sheet.data_validation(cells, dict(self.allowed[name]))

    def call(self, name: str, column: str) -> None:
        """Give a cell of the last row a name for formulas."""
        sheet = self.name.replace("'", "''")
        self.book.define_name(name, f"='{sheet}'!${column}${self.row}")

    def finish(self, meta: Mapping[str, str], footer: str) -> None:
        """Set up the page, and keep what the form was sent as."""
        for column, width in _WIDTHS.items():
            self.sheet.set_column(f"{column}:{column}", width, None, {"hidden": column == "A"})
        self.sheet.set_row(0, None, None, {"hidden": True})
        self.sheet.hide_gridlines(2)
        self.sheet.set_paper(9)
        self.sheet.fit_to_pages(1, 0)
        self.sheet.set_margins(0.5, 0.5, 0.5, 0.6)
        self.sheet.print_area(f"B2:{_LAST}{self.row}")
        self.sheet.set_footer(footer)
        self.sheet.protect("", {"format_columns": True, "format_rows": True})
        self.lists.hide()
        kept = self.book.add_worksheet(META)
        kept.very_hidden()
        values = {**meta, "sheet": self.name, "cells": json.dumps(self.cells)}
        for row, (name, text) in enumerate({**values, "checksum": checksum(values)}.items()):
            parts = [text[at : at + _MOST_TEXT] for at in range(0, len(text), _MOST_TEXT)]
            for place, part in enumerate([name, *parts]):  # a cell of Excel holds no longer text
                kept.write_string(row, place, part)


def _limits(page: _Page, facts: FormFacts, words: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Say what each kind of cell allows."""
    named = [f"{name}: {statement}" for name, statement, _ in facts.assumptions]
    lists: dict[str, list[Any]] = {
        "line": [line for line, _, _ in facts.lines],
        "month": [pd.Timestamp(day) for months in facts.months for day in months],
        "assumption": [*named, words["assumptions"]["other"]],
    }
    number: dict[str, Any] = {"validate": "decimal", "criteria": "between", "minimum": 0}
    limits: dict[str, dict[str, Any]] = {
        "amount": {**number, "maximum": MOST_AMOUNT},
        "probability": {**number, "maximum": 1},
        **{
            name: {"validate": "list", "source": page.choices(column, values)}
            for column, (name, values) in zip("ABC", lists.items(), strict=True)
        },
    }
    errors = words["errors"]
    for name, limit in limits.items():
        limit["error_title"] = errors["title"]
        limit["error_message"] = errors.get(name, errors["list"]).format(**facts.who)
    help_title, text = words["goal"]["help_title"], words["goal"]["help"].format(**facts.who)
    limits["amount"] |= {"input_title": help_title, "input_message": text}
    return limits


def _top(page: _Page, facts: FormFacts, words: Mapping[str, Any]) -> None:
    page.line(Cell("B", words["title"].format(**facts.who), "title"), height=26)
    page.line(Cell("B", words["about"].format(**facts.who), "small", _LAST))
    page.line(Cell("B", words["how"], "small", _LAST), height=42)


def _offer(page: _Page, facts: FormFacts, words: Mapping[str, Any]) -> None:
    """Put the steps of the goal on the left; last year, others and activity on the right."""
    names, first = words["offer"]["steps"], page.row + 2
    steps = [(names.get(step, step), amount) for step, amount in facts.why if amount]
    left = [[Cell("B", words["offer"]["head"], "head", "D")]]
    left += [
        [Cell("B", step, to="C"), Cell("D", amount, "signed" if n else "money")]
        for n, (step, amount) in enumerate(steps)
    ]
    total = _sum("D", f"D{first}:D{first + len(steps) - 1}", facts.offered)
    left.append([Cell("B", words["offer"]["goal"], "total_text", "C"), total])
    right = [[Cell("F", words["last"]["head"], "head", "J")], *_beside(facts, words)]
    for place in range(max(len(left), len(right))):
        both = [*left[place : place + 1], *right[place : place + 1]]
        page.line(*(cell for part in both for cell in part))
        if place == len(left) - 1:
            page.call("offered_goal", "D")


def _beside(facts: FormFacts, words: Mapping[str, Any]) -> list[list[Cell]]:
    last, peers, metrics = words["last"], words["peers"], words["metrics"]
    looks = {"goal": "money", "result": "money", "attainment": "share"}
    pairs = [(last[n], facts.last.get(n), look) for n, look in looks.items()]
    pairs.append((peers["head"], None, "subhead"))
    if facts.peers:
        low, high = share_text(facts.peers["low"]), share_text(facts.peers["high"])
        middle = peers["median"].format(people=int(facts.peers["people"]))
        pairs += [(peers["own"], facts.peers["own"], "share")]
        pairs += [(middle, facts.peers["median"], "share")]
        pairs += [(peers["range"], peers["between"].format(low=low, high=high), "right")]
    else:
        pairs.append((peers["few"], None, "text"))
    known = [(metrics[n], facts.metrics[n], "money") for n in metrics if n in facts.metrics]
    looks_of = {"share": "share", "number": "decimal"}
    known += [(title, value, looks_of.get(unit, "money")) for title, value, unit in facts.company]
    pairs += [(metrics["head"], None, "subhead"), *known] if known else []
    return [
        [Cell("F", label, look if value is None else "text", "J" if value is None else "H")]
        + [Cell("I", value, look, "J")] * (value is not None)
        for label, value, look in pairs
        if value == value and not (value is None and look in looks.values())
    ]


def _own_goal(page: _Page, facts: FormFacts, words: Mapping[str, Any]) -> None:
    goal, inputs = words["goal"], "EFGH"[: len(facts.months)]
    page.head(goal["head"].format(**facts.who))
    ends = [[words["months"][day.month - 1] for day in (m[0], m[-1])] for m in facts.months]
    heads = dict(zip(inputs, ["–".join(dict.fromkeys(end)) for end in ends], strict=True))
    heads |= {"C": goal["last"], "D": goal["offered"], "I": goal["own"], "J": goal["difference"]}
    right = [Cell(column, text, "column_right") for column, text in heads.items()]
    page.line(Cell("B", goal["line"], "column"), *right, height=18)
    first, end = page.row + 1, page.row + len(facts.lines)
    own = f"E{{r}}:{inputs[-1]}{{r}}"
    for number, (line, last, offered) in enumerate(facts.lines):
        page.line(
            *(Cell("B", line), Cell("C", last, "money"), Cell("D", offered, "money")),
            *(_ask(column, "in_money") for column in inputs),
            _sum("I", own, "", "money"),
            Cell("J", "", "signed", formula=f'=IF(COUNT({own})=0,"",I{{r}}-D{{r}})'),
            key=f"goal:{number}",
        )
    block = f"E{first}:{inputs[-1]}{end}"
    page.allow(block, "amount")
    page.line(
        Cell("B", words["total"], "total_text"),
        _sum("C", f"C{first}:C{end}", sum(v for _, v, _ in facts.lines if v == v)),
        _sum("D", f"D{first}:D{end}", facts.offered),
        *(_sum(column, f"{column}{first}:{column}{end}", "") for column in inputs),
        _sum("I", block, ""),
        Cell("J", "", "total_signed", formula='=IF(I{r}="","",I{r}-offered_goal)'),
    )
    page.call("own_goal", "I")
    page.line(Cell("B", goal["why"], "small", _LAST))
    page.line(_ask("B", "in_text", to=_LAST), key="why:0", height=30)


def _evidence(page: _Page, facts: FormFacts, words: Mapping[str, Any]) -> None:
    said = words["evidence"]
    page.head(said["head"].format(**facts.who))
    rates = {n: share_text(facts.rates.get(n, float("nan")), 0) for n in ("won", "kept")}
    page.line(Cell("B", said["about"].format(**rates), "small", _LAST))
    heads = zip("BCDEFGH", "account line deal amount probability month brings".split(), strict=True)
    looks = {column: "column_right" if column > "D" else "column" for column in "BCDEFGH"}
    cells = [Cell(column, said[name], looks[column]) for column, name in heads]
    page.line(*cells, Cell("I", said["reason"], "column_in", _LAST))
    first, backed = page.row + 1, 0.0
    for number, row in enumerate([*facts.evidence, *({} for _ in range(EMPTY_ROWS))]):
        brings = _brings(row)
        backed += brings or 0.0
        reason = said["kinds"].get(row.get("kind"))
        formula = '=IF(COUNT(E{r},F{r})<2,"",E{r}*F{r})'
        page.line(
            *_evidence_cells(row),
            Cell("H", "" if brings is None else brings, "money", formula=formula),
            _ask("I", "in_reason", reason, _LAST),
            key=f"evidence:{number}",
        )
    for column, name in zip("CEFG", ("line", "amount", "probability", "month"), strict=True):
        page.allow(f"{column}{first}:{column}{page.row}", name)
    total = page.row + 1
    page.line(Cell("B", said["sum"], "total_text", "G"), _sum("H", f"H{first}:H{page.row}", backed))
    goal, share = 'IF(own_goal="",offered_goal,own_goal)', 0.0
    if facts.offered:
        share = backed / facts.offered
    covered = Cell("H", share, "total_share", formula=f"=IF({goal}=0,0,N(H{total})/{goal})")
    page.line(Cell("B", said["coverage"], "text", "G"), covered)
    left = max(0.0, facts.offered - backed)
    rest = Cell("H", left, "money", formula=f"=MAX(0,{goal}-N(H{total}))")
    page.line(Cell("B", said["rest"], "text", "G"), rest)


def _brings(row: Mapping[str, Any]) -> float | None:
    known = row and row["probability"] is not None
    return float(row["amount"] * row["probability"]) if known else None


def _evidence_cells(row: Mapping[str, Any]) -> list[Cell]:
    looks = "in_label in_label in_label in_money in_share in_month".split()
    names = "label product_line opportunity_id amount probability month".split()
    cells = [
        _ask(column, look, row.get(name))
        for column, look, name in zip("BCDEFG", looks, names, strict=True)
    ]
    return [Cell("B", row["label"]), *cells[3:5]] if row.get("more") else cells


def _assumptions(page: _Page, facts: FormFacts, words: Mapping[str, Any]) -> None:
    said = words["assumptions"]
    page.head(said["head"])
    for _, statement, owner in facts.assumptions:
        told = said["owner"].format(owner=owner) if owner else said["nobody"]
        look = "small" if owner else "missing"
        page.line(Cell("B", statement, to="G"), Cell("H", told, look, _LAST))
    if not facts.assumptions:
        page.line(Cell("B", said["none"], to=_LAST))
    page.line(Cell("B", said["concern"], "subhead", _LAST), height=18)
    for number in range(CONCERNS):
        cells = (_ask("B", "in_text", to="D"), _ask("E", "in_text", to=_LAST))
        page.line(*cells, key=f"concern:{number}", height=28)
        page.allow(f"B{page.row}", "assumption")


def _needs(page: _Page, facts: FormFacts, words: Mapping[str, Any]) -> None:
    page.head(words["need"]["head"])
    for number in range(NEEDS):
        page.line(_ask("B", "in_text", to=_LAST), key=f"need:{number}", height=22)
