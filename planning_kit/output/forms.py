"""The form a person answers: one page in Excel, with its words, its drop-downs and what it was sent as."""

from __future__ import annotations

import io
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from email.message import EmailMessage
from typing import Any

import pandas as pd
import xlsxwriter

from planning_kit.data.forms import COMPUTED, CORNER, INPUT, META, cell_digest, checksum
from planning_kit.messages.amounts import money_text, share_text
from planning_kit.output.workbook import SAFE
from planning_kit.plan import bundled

LISTS = "_lists"
EMPTY_ROWS, CONCERNS, NEEDS = 3, 3, 2
_FIRST, _LAST = "B", "J"
_MOST_TEXT = 30_000
_WIDTHS = {"A": 2, "B": 27, "C": 13, "D": 12, "E": 11, "F": 11, "G": 11, "H": 11, "I": 13, "J": 13}
_INK, _BLUE, _YELLOW, _RULE, _PALE = "#1F2933", "#0000C0", "#FFFBD6", "#9AA5B1", "#EEF2F6"
_ALL_FORMATS: Mapping[str, Mapping[str, Any]] = {
    "title": {"bold": True, "font_size": 18},
    "small": {"font_color": "#52606D", "text_wrap": True, "valign": "top"},
    "head": {"bold": True, "font_size": 12, "bottom": 2, "bottom_color": _RULE},
    "subhead": {"bold": True, "font_color": "#52606D", "bottom": 1, "bottom_color": _RULE},
    "column": {"bold": True, "bg_color": _PALE, "valign": "vcenter"},
    "column_in": {"bold": True, "bg_color": _PALE, "valign": "vcenter", "indent": 1},
    "column_right": {"bold": True, "bg_color": _PALE, "valign": "vcenter", "align": "right"},
    "text": {"valign": "vcenter"},
    "right": {"align": "right"},
    "missing": {"text_wrap": True, "valign": "vcenter", "bold": True, "font_color": "#B42318"},
    "money": {"num_format": "#,##0"},
    "share": {"num_format": "0.0 %"},
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
    book.set_calc_mode("auto")
    page = _Page(book, facts, words)
    for section in (_top, _offer, _own_goal, _evidence, _assumptions, _needs):
        section(page)
    page.finish(meta)
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


class _Page:
    """The sheet while it is written: the next row, and what every cell is sent as."""

    def __init__(self, book: Any, facts: FormFacts, words: Mapping[str, Any]) -> None:
        self.book, self.facts, self.words = book, facts, words
        self.sheet, self.lists = book.add_worksheet(words["sheet"]), book.add_worksheet(LISTS)
        base = {"font_name": "Calibri", "font_size": 10, "font_color": _INK}
        self.formats = {n: book.add_format({**base, **f}) for n, f in _ALL_FORMATS.items()}
        for name, given in _INPUT_FORMATS.items():
            self.formats[name] = book.add_format({**base, **_INPUT, **given})
        self.row = 0
        self.cells: dict[str, dict[str, str]] = {}
        self.keys: dict[int, str] = {}
        self.ranges: dict[str, str] = {}
        self.sheet.write_string(0, 0, CORNER)
        for column in _WIDTHS:
            if column != "A":
                self.sheet.write_string(f"{column}1", column)

    def next(self, key: str = "", height: float = 0) -> None:
        """Begin a new row."""
        self.row += 1
        self.keys[self.row] = key or f"row:{self.row}"
        self.sheet.write_string(self.row, 0, self.keys[self.row])
        self.sheet.set_row(self.row, height or 16.5)

    def at(self, column: str, row: int = 0) -> str:
        """Name a cell of this row, or of another."""
        return f"{column}{(row or self.row) + 1}"

    def put(self, column: str, value: Any, style: str = "text", to: str = "") -> None:
        """Write a cell that stays as it is; with ``to``, over several columns."""
        if value is None or value != value:
            return
        self._write(column, value, style, to)
        self._sent(column, cell_digest(value))

    def ask(self, column: str, style: str, value: Any = None, to: str = "") -> None:
        """Write a cell to fill in."""
        self._write(column, None if value != value else value, style, to)
        self._sent(column, INPUT)

    def compute(self, column: str, formula: str, style: str, value: Any) -> None:
        """Write a formula with its value, for readers that do not compute."""
        self.sheet.write_formula(self.at(column), formula, self.formats[style], value)
        self._sent(column, COMPUTED)

    def _sent(self, column: str, what: str) -> None:
        self.cells.setdefault(self.keys[self.row], {})[column] = what

    def _write(self, column: str, value: Any, style: str, to: str) -> None:
        place, look = self.at(column), self.formats[style]
        if to:
            self.sheet.merge_range(f"{place}:{self.at(to)}", "", look)
        if value is None:
            self.sheet.write_blank(place, None, look)
        elif isinstance(value, date):
            self.sheet.write_datetime(place, pd.Timestamp(value).to_pydatetime(), look)
        elif isinstance(value, str):
            self.sheet.write_string(place, value, look)
        else:
            self.sheet.write_number(place, float(value), look)

    def choices(self, name: str, values: Sequence[Any]) -> None:
        """Keep a list for drop-downs on the hidden sheet: a literal one breaks at 255 characters."""
        column = len(self.ranges)
        look = self.formats["in_month"]
        for row, value in enumerate(values):
            if isinstance(value, date):
                moment = pd.Timestamp(value).to_pydatetime()
                self.lists.write_datetime(row, column, moment, look)
            else:
                self.lists.write_string(row, column, str(value))
        letter = chr(ord("A") + column)
        self.ranges[name] = f"={LISTS}!${letter}$1:${letter}${max(1, len(values))}"

    def allow(self, place: str, name: str, strict: bool = True) -> None:
        """Allow only what can be, with the reason in words."""
        errors = self.words["errors"]
        kind: dict[str, Any] = {"validate": "list", "source": self.ranges.get(name)}
        if name in ("amount", "probability"):
            most = 1 if name == "probability" else 10**15
            kind = {"validate": "decimal", "criteria": "between", "minimum": 0, "maximum": most}
        text = errors[name if name in errors else "list"].format(**self.facts.who)
        told = {"error_title": errors["title"], "error_message": text}
        self.sheet.data_validation(
            place, {**kind, **told, "error_type": "stop" if strict else "warning"}
        )

    def finish(self, meta: Mapping[str, str]) -> None:
        """Set up the page, and keep what the form was sent as."""
        sheet, facts = self.sheet, self.facts
        for column, width in _WIDTHS.items():
            hidden = {"hidden": column == "A"}
            sheet.set_column(f"{column}:{column}", width, None, hidden)
        sheet.set_row(0, None, None, {"hidden": True})
        sheet.hide_gridlines(2)
        sheet.set_paper(9)
        sheet.set_portrait()
        sheet.fit_to_pages(1, 0)
        sheet.set_margins(0.5, 0.5, 0.5, 0.6)
        sheet.print_area(f"{_FIRST}2:{self.at(_LAST)}")
        sheet.set_footer(f"&L&8{facts.who['plan'].replace('&', '&&')[:80]}&R&8&P / &N")
        sheet.protect("", {"format_columns": True, "format_rows": True})
        self.lists.hide()
        kept = self.book.add_worksheet(META)
        kept.very_hidden()
        values = {**meta, "sheet": self.words["sheet"], "cells": json.dumps(self.cells)}
        values["checksum"] = checksum(values)
        for row, (name, value) in enumerate(values.items()):
            kept.write_string(row, 0, name)
            for place in range(0, len(value) or 1, _MOST_TEXT):  # Excel holds no longer text
                kept.write_string(row, 1 + place // _MOST_TEXT, value[place : place + _MOST_TEXT])
        sheet.activate()


def _top(page: _Page) -> None:
    words, who = page.words, page.facts.who
    page.next(height=26)
    page.put(_FIRST, words["title"].format(**who), "title")
    page.next()
    page.put(_FIRST, words["about"].format(**who), "small", _LAST)
    page.next(height=42)
    page.put(_FIRST, words["how"], "small", _LAST)


def _offer(page: _Page) -> None:
    """Put the steps of the goal on the left; last year, others and activity on the right."""
    facts, words = page.facts, page.words
    page.next(height=20)
    page.put("B", words["offer"]["head"], "head", "D")
    right = _beside(facts, words)
    page.put("F", *right[0][:3])
    names = words["offer"]["steps"]
    steps = [(names.get(step, step), amount) for step, amount in facts.why if amount]
    first = page.row + 1
    for place in range(max(len(steps) + 1, len(right) - 1)):
        page.next()
        if place < len(steps):
            page.put("B", steps[place][0], to="C")
            page.put("D", steps[place][1], "signed" if place else "money")
        elif place == len(steps):
            page.put("B", words["offer"]["goal"], "total_text", "C")
            formula = f"=SUM({page.at('D', first)}:{page.at('D', page.row - 1)})"
            page.compute("D", formula, "total", facts.offered)
            _name_cell(page, "offered_goal", "D")
        if place + 1 < len(right):
            label, style, to, *value = right[place + 1]
            page.put("F", label, style, to)
            if value:
                page.put("I", *value, "J")


def _name_cell(page: _Page, name: str, column: str) -> None:
    sheet = page.words["sheet"].replace("'", "''")
    page.book.define_name(name, f"='{sheet}'!${column}${page.row + 1}")


def _beside(facts: FormFacts, words: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Give label, look and last column of every line on the right, and its value where it has one."""
    last, peers, metrics = words["last"], words["peers"], words["metrics"]
    lines: list[tuple[Any, ...]] = [(last["head"], "head", "J")]
    for name, look in (("goal", "money"), ("result", "money"), ("attainment", "share")):
        if facts.last.get(name, float("nan")) == facts.last.get(name):
            lines.append((last[name], "text", "H", facts.last[name], look))
    lines.append((peers["head"], "subhead", "J"))
    if facts.peers:
        own, low, middle, high = (facts.peers[n] for n in ("own", "low", "median", "high"))
        between = peers["between"].format(low=share_text(low), high=share_text(high))
        lines.append((peers["own"], "text", "H", own, "share"))
        name = peers["median"].format(people=int(facts.peers["people"]))
        lines.append((name, "text", "H", middle, "share"))
        lines.append((peers["range"], "text", "H", between, "right"))
    else:
        lines.append((peers["few"], "text", "J"))
    known = {n: v for n, v in facts.metrics.items() if n in metrics and v == v}
    if known:
        lines.append((metrics["head"], "subhead", "J"))
        lines += [(metrics[n], "text", "H", v, "money") for n, v in known.items()]
    return lines


def _own_goal(page: _Page) -> None:
    facts, words = page.facts, page.words["goal"]
    page.next()
    page.next(height=20)
    page.put("B", words["head"].format(**facts.who), "head", _LAST)
    page.next(height=18)
    inputs = "EFGH"[: len(facts.months)]
    names = page.words["months"]
    page.put("B", words["line"], "column")
    for column, name in zip("CDIJ", ("last", "offered", "own", "difference"), strict=True):
        page.put(column, words[name], "column_right")
    for column, months in zip(inputs, facts.months, strict=True):
        ends = [names[months[0].month - 1], names[months[-1].month - 1]]
        page.put(column, "–".join(dict.fromkeys(ends)), "column_right")
    first = page.row + 1
    for number, (line, last, offered) in enumerate(facts.lines):
        page.next(f"goal:{number}")
        page.put("B", line)
        page.put("C", last, "money")
        page.put("D", offered, "money")
        for column in inputs:
            page.ask(column, "in_money")
        own = f"{page.at('E')}:{page.at(inputs[-1])}"
        page.compute("I", f'=IF(COUNT({own})=0,"",SUM({own}))', "money", "")
        difference = f'=IF(COUNT({own})=0,"",{page.at("I")}-{page.at("D")})'
        page.compute("J", difference, "signed", "")
    end = page.row
    block = f"{page.at('E', first)}:{page.at(inputs[-1], end)}"
    page.allow(block, "amount")
    page.next()
    page.put("B", page.words["total"], "total_text")
    for column, value in (("C", sum(v for _, v, _ in facts.lines if v == v)), ("D", facts.offered)):
        column_sum = f"=SUM({page.at(column, first)}:{page.at(column, end)})"
        page.compute(column, column_sum, "total", value)
    for column in inputs:
        cells = f"{page.at(column, first)}:{page.at(column, end)}"
        page.compute(column, f'=IF(COUNT({cells})=0,"",SUM({cells}))', "total", "")
    page.compute("I", f'=IF(COUNT({block})=0,"",SUM({block}))', "total", "")
    _name_cell(page, "own_goal", "I")
    page.compute("J", '=IF(own_goal="","",own_goal-offered_goal)', "total_signed", "")
    page.next()
    page.put("B", words["why"], "small", _LAST)
    page.next("why:0", height=30)
    page.ask("B", "in_text", to=_LAST)
    prompt = {
        "input_title": words["help_title"],
        "input_message": words["help"].format(**facts.who),
    }
    page.sheet.data_validation(page.at("B"), {"validate": "any", **prompt})


def _evidence(page: _Page) -> None:
    facts, words = page.facts, page.words["evidence"]
    page.next()
    page.next(height=20)
    page.put("B", words["head"].format(**facts.who), "head", _LAST)
    page.next()
    rates = {n: share_text(facts.rates.get(n, float("nan")), 0) for n in ("won", "kept")}
    page.put("B", words["about"].format(**rates), "small", _LAST)
    page.next()
    heads = "account line deal amount probability month brings".split()
    for column, name in zip("BCDEFGH", heads, strict=True):
        page.put(column, words[name], "column_right" if column > "D" else "column")
    page.put("I", words["reason"], "column_in", _LAST)
    page.choices("lines", [line for line, _, _ in facts.lines])
    page.choices("months", [day for months in facts.months for day in months])
    first, backed = page.row + 1, 0.0
    for number, row in enumerate([*facts.evidence, *({} for _ in range(EMPTY_ROWS))]):
        backed += _evidence_row(page, number, row)
    end = page.row
    for column, name in (("E", "amount"), ("F", "probability"), ("C", "lines"), ("G", "months")):
        place = f"{page.at(column, first)}:{page.at(column, end)}"
        page.allow(place, name, strict=name != "lines")
    page.next()
    page.put("B", words["sum"], "total_text", "G")
    page.compute("H", f"=SUM({page.at('H', first)}:{page.at('H', end)})", "total", backed)
    total = page.at("H")
    page.next()
    page.put("B", words["coverage"], "text", "G")
    goal = 'IF(own_goal="",offered_goal,own_goal)'
    share = backed / facts.offered if facts.offered else 0.0
    page.compute("H", f"=IF({goal}=0,0,{total}/{goal})", "total_share", share)
    page.next()
    page.put("B", words["rest"], "text", "G")
    page.compute("H", f"=MAX(0,{goal}-{total})", "money", max(0.0, facts.offered - backed))


def _evidence_row(page: _Page, number: int, row: Mapping[str, Any]) -> float:
    page.next(f"evidence:{number}")
    if row.get("more"):
        page.put("B", row["label"])
        columns = "EF"
    else:
        page.ask("B", "in_label", row.get("label"))
        columns = "CDEFG"
    styles = dict(zip("CDEFG", "in_label in_label in_money in_share in_month".split(), strict=True))
    fields = "product_line opportunity_id amount probability month".split()
    for column, name in zip("CDEFG", fields, strict=True):
        if column in columns:
            page.ask(column, styles[column], row.get(name))
    kind = page.words["evidence"]["kinds"].get(row.get("kind"), "")
    page.ask("I", "in_reason", kind or None, _LAST)
    amount, chance = page.at("E"), page.at("F")
    is_known = bool(row) and row["probability"] is not None
    brings = float(row["amount"] * row["probability"]) if is_known else 0.0
    formula = f'=IF(COUNT({amount},{chance})<2,"",{amount}*{chance})'
    page.compute("H", formula, "money", brings if is_known else "")
    return brings


def _assumptions(page: _Page) -> None:
    facts, words = page.facts, page.words["assumptions"]
    page.next()
    page.next(height=20)
    page.put("B", words["head"], "head", _LAST)
    for _, statement, owner in facts.assumptions:
        page.next()
        page.put("B", statement, "text", "G")
        told = words["owner"].format(owner=owner) if owner else words["nobody"]
        page.put("H", told, "small" if owner else "missing", _LAST)
    if not facts.assumptions:
        page.next()
        page.put("B", words["none"], "text", _LAST)
    page.next(height=18)
    page.put("B", words["concern"], "subhead", _LAST)
    named = [f"{name}: {statement}" for name, statement, _ in facts.assumptions]
    page.choices("assumptions", [*named, words["other"]])
    for number in range(CONCERNS):
        page.next(f"concern:{number}", height=28)
        page.ask("B", "in_text", to="D")
        page.allow(page.at("B"), "assumptions")
        page.ask("E", "in_text", to=_LAST)


def _needs(page: _Page) -> None:
    page.next()
    page.next(height=20)
    page.put("B", page.words["need"]["head"], "head", _LAST)
    for number in range(NEEDS):
        page.next(f"need:{number}", height=22)
        page.ask("B", "in_text", to=_LAST)
