"""The grid of the what-if panel as a planner meets it: in a browser, with a keyboard and a clipboard."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import test_browser
from filling import SOFFICE, Filling
from openpyxl import Workbook

from planning_kit import widgets
from planning_kit.messages.amounts import chance_text, number_text, share_text

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = pytest.mark.browser

chromium, window = test_browser.chromium, test_browser.window

SCRIPT, STYLE = (
    (Path(widgets.__file__).parent / f"grid.{kind}").read_text("utf-8") for kind in ("js", "css")
)
SHOWN = "makeGrid, gridNumber, gridShare, gridChance"
PAGE = """<!DOCTYPE html>
<html lang="en"><head><title>what if</title><style>%s</style></head>
<body><main><h1>What if</h1><div id="host"></div><p tabindex="0" id="after">after</p></main>
<script type="module">%s
Object.assign(window, { acts: [], mutated: new Set(), %s });
const note = (name) => (...said) => window.acts.push([name, ...said]);
const names = ["edit", "undo", "redo", "open"];
const handlers = Object.fromEntries(names.map((name) => [name, note(name)]));
window.grid = makeGrid(document.getElementById("host"), handlers);
</script></body></html>"""


def column(key: str, label: str, kind: str, edit: bool = False, **more: str) -> dict[str, Any]:
    return {"key": key, "label": label, "kind": kind, "edit": edit, **more}


COLUMNS = [
    column("rep_name", "person", "name"),
    column("expected", "expected", "amount", unit="EUR", help="what the year may bring"),
    column("goal", "goal", "amount", edit=True, unit="EUR"),
    column("share", "growth", "share", edit=True),
    column("chance", "chance", "chance"),
    column("hold", "hold", "flag", edit=True),
    column("least", "least", "amount", edit=True, unit="EUR"),
    column("note", "note", "text", edit=True),
]
KEYS = [column["key"] for column in COLUMNS]
NAMES = ["Ann Lee", "Bob Moreau", "Åsa Quist", "Dee Lee", "Eva Ueda", "Fay Young"]


def person(at: int) -> dict[str, Any]:
    name = NAMES[at] if at < len(NAMES) else f"Person {at}"
    goal = 1_000_000 + 1000 * (at * 7 % 5000)
    values = {"expected": goal * 1.1, "goal": goal, "share": 0.08, "chance": 0.571}
    values |= {"rep_name": name, "hold": False, "least": None, "note": ""}
    return {"id": f"R{at:04}", "values": values, "locks": {}}


def small(people: int = 6, seq: int = 1) -> dict[str, Any]:
    rows = [person(at) for at in range(people)]
    totals = {key: sum(row["values"][key] for row in rows) for key in ("expected", "goal")}
    view = {"seq": seq, "columns": COLUMNS, "rows": rows, "errors": {}}
    return {**view, "totals": totals, "gap": -1200, "digits": 0}


@dataclass
class Sheet:
    """A grid in a page: what it shows, and what a planner does with it."""

    page: Any

    def update(self, view: dict[str, Any]) -> None:
        self.page.evaluate("view => grid.update(view)", view)

    def cell(self, row: int, key: str) -> Any:
        """Find a cell by where it lies; row 0 is the first person, row -1 the header."""
        return self.page.locator(
            f"tr[aria-rowindex='{row + 2}'] > [aria-colindex='{KEYS.index(key) + 1}']"
        )

    def text(self, row: int, key: str) -> str:
        return self.cell(row, key).inner_text()

    def names(self) -> list[str]:
        return self.page.locator("tbody td.pk-name").all_inner_texts()

    def go(self, row: int, key: str) -> None:
        """Go to a cell by keys alone, so that nothing is toggled or opened."""
        self.page.evaluate("grid.focus()")
        self.press("Control+Home", *["ArrowDown"] * row, *["ArrowRight"] * KEYS.index(key))

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def type(self, text: str, then: str = "Enter") -> None:
        self.page.keyboard.type(text)
        self.press(then)

    def at(self) -> tuple[int, str]:
        """Say which cell has the focus."""
        row, place = self.page.evaluate(
            "[document.activeElement.parentElement.ariaRowIndex, document.activeElement.ariaColIndex]"
        )
        return int(row) - 2, KEYS[int(place) - 1]

    def acts(self) -> list[list[Any]]:
        """Take what was told to the panel since one asked last."""
        taken = self.page.evaluate("acts.splice(0)")
        assert isinstance(taken, list)
        return taken

    def edited(self) -> list[list[str]]:
        """Take the cells of the one edit that was told since."""
        ((name, cells),) = self.acts()
        assert name == "edit"
        return list(cells)

    def said(self) -> str:
        return str(self.page.get_by_role("status").inner_text())

    def selected(self) -> set[tuple[int, str]]:
        found = self.page.locator("tbody td[aria-selected=true]").evaluate_all(
            "cells => cells.map(c => [c.parentElement.ariaRowIndex, c.ariaColIndex])"
        )
        return {(int(row) - 2, KEYS[int(place) - 1]) for row, place in found}

    def paste(self, plain: str, html: str = "") -> None:
        """Press Ctrl+V over what another program has put on the clipboard."""
        self.page.evaluate(
            """([plain, html]) => document.addEventListener("copy", event => {
              event.preventDefault();
              event.stopImmediatePropagation();
              if (plain) event.clipboardData.setData("text/plain", plain);
              if (html) event.clipboardData.setData("text/html", html);
            }, { capture: true, once: true })""",
            [plain, html],
        )
        self.press("Control+c", "Control+v")

    def copied(self) -> str:
        """Press Ctrl+C and say what another program gets."""
        self.page.evaluate(
            """document.addEventListener("copy", event => {
              window.taken = event.clipboardData.getData("text/plain");
            }, { once: true })"""
        )
        self.press("Control+c")
        return str(self.page.evaluate("taken"))

    def box(self, cell: Any) -> dict[str, float]:
        box = cell.bounding_box()
        assert box is not None
        return dict(box)


@pytest.fixture
def sheet(window: test_browser.Window) -> Sheet:
    window.page.set_content(PAGE % (STYLE, SCRIPT, SHOWN))
    window.page.set_default_timeout(5000)
    playwright.expect.set_options(timeout=5000)
    opened = Sheet(window.page)
    opened.update(small())
    return opened


def shows(cell: Any, text: str | re.Pattern[str]) -> None:
    playwright.expect(cell).to_have_text(text)


# --- what is shown -------------------------------------------------------------------------------


def test_numbers_are_written_as_in_every_finding_and_table(sheet: Sheet):
    draw = random.Random(5)
    values: list[float | None] = [
        draw.uniform(-1, 1) * 10 ** draw.randint(-3, 11) for _ in range(900)
    ]
    values += [draw.randint(-400, 400) / 8 for _ in range(300)]  # many in the middle of two
    values += [
        None,
        0.0,
        -0.2,
        -0.0,
        0.5,
        1.5,
        2.5,
        -2.5,
        1.005,
        1.015,
        999.5,
        999999.5,
        0.005,
        0.995,
    ]
    for digits in (0, 1, 2):
        written = sheet.page.evaluate(
            "([values, digits]) => values.map(v => gridNumber(v, digits))", [values, digits]
        )
        assert written == [number_text(value, digits) for value in values]
    shares = [value if value is None else value / 1000 for value in values]
    written = sheet.page.evaluate("values => values.map(v => gridShare(v))", shares)
    assert written == [share_text(share) for share in shares]
    chances = [None, 0.0, 1.0, 0.001, 0.004999, 0.005, 0.995, 0.9951, 0.571, 0.125, 0.135]
    written = sheet.page.evaluate("values => values.map(v => gridChance(v))", chances)
    assert written == [chance_text(chance) for chance in chances]


def test_a_row_shows_every_kind_and_a_dash_where_nothing_is_known(sheet: Sheet):
    row = [sheet.text(0, key) for key in KEYS]
    assert row == ["Ann Lee", "1,100,000", "1,000,000", "8.0 %", "57 %", "no", "–", "–"]


def test_amounts_to_the_cent_are_shown_to_the_cent(sheet: Sheet):
    view = small(seq=2) | {"digits": 2, "gap": 0.5}
    view["rows"][0]["values"]["goal"] = 1234.5
    sheet.update(view)
    assert sheet.text(0, "goal") == "1,234.50"
    assert "gap 0.50" in sheet.page.locator("tfoot").inner_text()


def test_programs_that_read_the_screen_are_told_what_is_where(sheet: Sheet):
    table = sheet.page.get_by_role("grid", name="goals of people")
    expect = playwright.expect
    expect(table).to_have_attribute("aria-rowcount", "9")  # header, six people, sum, gap
    expect(table).to_have_attribute("aria-colcount", str(len(COLUMNS)))
    expect(table.get_by_role("columnheader")).to_have_count(len(COLUMNS))
    expect(sheet.cell(0, "rep_name")).to_have_role("rowheader")
    expect(sheet.cell(0, "goal")).to_have_role("gridcell")
    expect(sheet.cell(0, "goal")).to_have_attribute("aria-readonly", "false")
    expect(sheet.cell(0, "expected")).to_have_attribute("aria-readonly", "true")
    expect(sheet.page.locator("[role=grid] [tabindex='0']")).to_have_count(1)


def test_what_others_wrote_is_text_and_nothing_else(sheet: Sheet):
    view = small(seq=2)
    hostile = "<img src=x onerror='acts.push(1)'>"
    view["rows"][0]["values"] |= {"rep_name": hostile, "note": hostile}
    view["rows"][0]["locks"] = {"goal": hostile}
    sheet.update(view)
    sheet.go(0, "goal")
    assert sheet.text(0, "rep_name") == sheet.text(0, "note") == hostile
    assert sheet.page.locator("img").count() == 0 and sheet.acts() == []


@pytest.mark.parametrize("people", [500, 5000])
def test_of_many_people_only_those_in_sight_are_drawn(sheet: Sheet, people: int):
    sheet.update(small(people, seq=2))
    assert sheet.page.locator("tbody td.pk-name").count() < 60
    sheet.go(0, "goal")
    sheet.press("Control+End")
    shows(sheet.cell(people - 1, "rep_name"), f"Person {people - 1}")
    assert sheet.page.locator("tbody td.pk-name").count() < 60
    assert sheet.at() == (people - 1, "note")
    rows = sheet.page.locator("tbody tr[role=row]").evaluate_all("r => r.map(x => +x.ariaRowIndex)")
    assert rows == sorted(rows) and rows[-1] == people + 1


def test_header_names_sums_and_gap_stay_in_sight_in_a_narrow_window(sheet: Sheet):
    sheet.page.set_viewport_size({"width": 420, "height": 500})
    sheet.update(small(500, seq=2))
    for key, at in (("Control+Home", 0), ("Control+End", 499)):
        sheet.go(0, "goal")
        sheet.press(key)
        frame = sheet.box(sheet.page.locator(".pk-scroll"))
        inside = {
            "header": sheet.cell(-1, "rep_name"),
            "name": sheet.cell(at, "rep_name"),
            "sum": sheet.page.get_by_text("sum of all people"),
            "gap": sheet.page.get_by_text("gap -1,200"),
        }
        boxes = {name: sheet.box(cell) for name, cell in inside.items()}
        for name, box in boxes.items():
            assert box["y"] >= frame["y"] - 1, name
            assert box["y"] + box["height"] <= frame["y"] + frame["height"] + 1, name
            assert frame["x"] - 1 <= box["x"] < 400, name
        assert boxes["header"]["y"] + boxes["header"]["height"] <= boxes["name"]["y"] + 1
        assert boxes["name"]["y"] + boxes["name"]["height"] <= boxes["sum"]["y"] + 1
    note, name = sheet.box(sheet.cell(499, "note")), boxes["name"]
    assert name["x"] + name["width"] <= note["x"] + 1 and note["x"] + 20 < 420
    assert sheet.page.evaluate("document.documentElement.scrollWidth") <= 420


def test_no_number_is_cut_off(sheet: Sheet):
    sheet.page.set_viewport_size({"width": 420, "height": 500})
    view = small(seq=2) | {"totals": {"goal": 123456789012, "expected": 1}}
    sheet.update(view)
    cut = "cells => cells.filter(c => c.scrollWidth > c.clientWidth).map(c => c.innerText)"
    assert sheet.page.locator("th, tfoot td, td.pk-amount").evaluate_all(cut) == []


# --- news ----------------------------------------------------------------------------------------

WATCH = """new MutationObserver(found => found.forEach(({ target }) => {
  const cell = (target.closest ?? (() => null)).call(target, "td") ?? target.parentElement;
  mutated.add(cell);
})).observe(document.querySelector("tbody"),
  { subtree: true, childList: true, attributes: true, characterData: true })"""


def test_news_touch_the_cells_that_change_and_are_drawn_and_no_others(sheet: Sheet):
    sheet.update(small(500, seq=2))
    sheet.page.evaluate(WATCH)
    sheet.update(small(500, seq=3))
    rows = sheet.page.evaluate("[...mutated].filter(x => x.matches?.('td:not([style])')).length")
    assert rows == 0
    news = small(500, seq=4)
    for row in news["rows"]:
        row["values"]["goal"] += 1000
    sheet.update(news)
    touched = sheet.page.evaluate(
        "[...mutated].filter(x => x.matches?.('td')).map(x => x.ariaColIndex)"
    )
    assert set(touched) == {str(KEYS.index("goal") + 1)}
    assert len(touched) == sheet.page.locator("tbody td.pk-name").count()


def test_older_news_than_those_shown_change_nothing(sheet: Sheet):
    newer, older = small(seq=7), small(seq=6)
    newer["rows"][0]["values"]["goal"] = 7
    sheet.update(newer)
    sheet.update(older)
    assert sheet.text(0, "goal") == "7"


def test_what_is_not_computed_yet_is_grey_and_said_until_news_come(sheet: Sheet):
    expect = playwright.expect
    colour = "cell => getComputedStyle(cell).color"
    fresh = sheet.cell(0, "goal").evaluate(colour)
    sheet.page.evaluate("grid.stale(true)")
    assert sheet.cell(0, "goal").evaluate(colour) != fresh
    expect(sheet.page.get_by_text("being computed")).to_be_visible()
    expect(sheet.page.get_by_role("grid")).to_have_attribute("aria-busy", "true")
    sheet.update(small(seq=2))
    assert sheet.cell(0, "goal").evaluate(colour) == fresh
    expect(sheet.page.get_by_text("being computed")).to_be_hidden()
    expect(sheet.page.get_by_role("grid")).to_have_attribute("aria-busy", "false")


def test_an_edit_is_shown_as_typed_until_the_answer_comes(sheet: Sheet):
    sheet.go(0, "goal")
    sheet.type("1.2 mio")
    assert sheet.text(0, "goal") == "1.2 mio"
    sheet.update(small(seq=2))
    assert sheet.text(0, "goal") == "1,000,000"


def test_news_do_not_take_the_editor_or_the_cell_away(sheet: Sheet):
    sheet.go(2, "goal")
    sheet.page.keyboard.type("77")
    sheet.update(small(500, seq=2))
    sheet.type("8")
    assert sheet.edited() == [["R0002", "goal", "778"]]
    assert sheet.at() == (3, "goal")


# --- keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        (["ArrowDown"], (3, "goal")),
        (["ArrowUp"], (1, "goal")),
        (["ArrowLeft"], (2, "expected")),
        (["ArrowRight"], (2, "share")),
        (["Home"], (2, "rep_name")),
        (["End"], (2, "note")),
        (["Control+Home"], (0, "rep_name")),
        (["Control+End"], (299, "note")),
        (["Control+ArrowDown"], (299, "goal")),
        (["Control+ArrowUp"], (0, "goal")),
        (["Control+End", "ArrowDown", "ArrowRight"], (299, "note")),
        (["Control+Home", "ArrowLeft", "PageUp"], (0, "rep_name")),
        (["ArrowUp", "ArrowUp", "ArrowUp", "ArrowUp"], (-1, "goal")),
    ],
)
def test_keys_move_as_in_every_grid(sheet: Sheet, keys: list[str], place: tuple[int, str]):
    sheet.update(small(300, seq=2))
    sheet.go(2, "goal")
    sheet.press(*keys)
    assert sheet.at() == place
    assert sheet.page.locator("[role=grid] [tabindex='0']").count() == 1


def test_page_keys_move_by_what_is_in_sight(sheet: Sheet):
    sheet.update(small(300, seq=2))
    sheet.go(0, "goal")
    sheet.press("PageDown")
    page = sheet.at()[0]
    assert 5 < page < 30
    sheet.press("PageDown", "PageUp")
    assert sheet.at() == (page, "goal")


def test_tab_enters_the_grid_once_and_leaves_it(sheet: Sheet):
    sheet.page.get_by_role("searchbox").focus()
    sheet.press("Tab")
    assert sheet.at() == (0, "rep_name")
    sheet.press("Tab")
    assert sheet.page.evaluate("document.activeElement.id") == "after"
    sheet.press("Shift+Tab", "Shift+Tab")
    assert sheet.page.evaluate("document.activeElement.type") == "search"


def test_a_cell_scrolled_out_of_sight_still_answers_the_keys(sheet: Sheet):
    sheet.update(small(500, seq=2))
    sheet.go(1, "goal")
    scroll = "top => { document.querySelector('.pk-scroll').scrollTop = top }"
    sheet.page.evaluate(scroll, 9000)
    sheet.page.wait_for_function("!document.querySelector('td.pk-name').textContent.match(/Ann/)")
    sheet.press("ArrowDown")
    assert sheet.at() == (2, "goal")
    sheet.page.evaluate(scroll, 9000)
    sheet.page.wait_for_function("document.activeElement.matches('.pk-scroll')")
    sheet.page.evaluate(scroll, 0)
    sheet.page.wait_for_function("document.activeElement.matches('td')")
    assert sheet.at() == (2, "goal")
    sheet.page.evaluate(scroll, 9000)
    sheet.page.locator("#after").focus()
    sheet.press("Shift+Tab")
    assert sheet.page.evaluate("document.activeElement.className") == "pk-scroll"


def test_undo_and_redo_are_the_panels_but_an_open_editor_has_its_own(sheet: Sheet):
    sheet.go(0, "goal")
    sheet.press("Control+z", "Control+y", "Control+Shift+Z")
    assert sheet.acts() == [["undo"], ["redo"], ["redo"]]
    sheet.page.keyboard.type("12")
    sheet.press("Control+z")
    assert sheet.acts() == []


def test_enter_or_a_click_on_a_name_opens_the_person(sheet: Sheet):
    sheet.go(1, "rep_name")
    sheet.press("Enter")
    sheet.cell(3, "rep_name").click()
    assert sheet.acts() == [["open", "R0001"], ["open", "R0003"]]


# --- editing -------------------------------------------------------------------------------------


def editor(sheet: Sheet) -> Any:
    return sheet.page.locator(".pk-editor")


@pytest.mark.parametrize("open_it", ["Enter", "F2", "double click"])
def test_an_editor_opens_over_the_cell_with_all_digits(sheet: Sheet, open_it: str):
    if open_it == "double click":
        sheet.cell(1, "goal").dblclick()
    else:
        sheet.go(1, "goal")
        sheet.press(open_it)
    playwright.expect(editor(sheet)).to_be_focused()
    playwright.expect(editor(sheet)).to_have_value("1007000")
    playwright.expect(editor(sheet)).to_have_accessible_name("goal of Bob Moreau")
    one, other = sheet.box(editor(sheet)), sheet.box(sheet.cell(1, "goal"))
    assert all(math.isclose(one[side], other[side], abs_tol=1) for side in one)
    sheet.press("End")
    sheet.type("5")
    assert sheet.edited() == [["R0001", "goal", "10070005"]]


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("Enter", (3, "goal")),
        ("Shift+Enter", (1, "goal")),
        ("Tab", (2, "share")),
        ("Shift+Tab", (2, "expected")),
    ],
)
def test_typing_replaces_and_a_key_moves_on(sheet: Sheet, key: str, place: tuple[int, str]):
    sheet.go(2, "goal")
    sheet.type("1.284.000,50 €", then=key)
    assert sheet.edited() == [["R0002", "goal", "1.284.000,50 €"]]
    assert sheet.at() == place
    assert editor(sheet).is_hidden()


def test_escape_leaves_everything_as_it_was(sheet: Sheet):
    sheet.go(2, "goal")
    sheet.type("5", then="Escape")
    assert sheet.acts() == [] and sheet.at() == (2, "goal")
    assert sheet.text(2, "goal") == "1,014,000"


def test_an_edit_that_changes_nothing_tells_nothing(sheet: Sheet):
    sheet.go(2, "goal")
    sheet.press("Enter", "Enter")
    sheet.go(2, "least")
    sheet.press("F2", "Tab")
    sheet.go(2, "goal")
    sheet.type("1,014,000")
    sheet.go(2, "goal")
    sheet.press("Enter")
    news = small(seq=2)
    news["rows"][2]["values"]["goal"] = 7
    sheet.update(news)  # while the editor is open
    sheet.press("Enter")
    assert sheet.acts() == [] and sheet.text(2, "goal") == "7"


def test_a_click_elsewhere_keeps_what_was_typed(sheet: Sheet):
    sheet.go(0, "goal")
    sheet.page.keyboard.type("5")
    sheet.cell(3, "goal").click()
    assert sheet.edited() == [["R0000", "goal", "5"]]
    assert sheet.at() == (3, "goal")


def test_a_share_is_edited_in_per_cent_whatever_binary_digits_say(sheet: Sheet):
    view = small(seq=2)
    view["rows"][0]["values"]["share"] = 0.07
    sheet.update(view)
    sheet.go(0, "share")
    sheet.press("Enter")
    playwright.expect(editor(sheet)).to_have_value("7%")


def test_delete_empties_all_cells_of_the_block_in_one_act(sheet: Sheet):
    view = small(seq=2)
    view["rows"][0]["values"] |= {"least": 5, "note": "a"}
    view["rows"][1]["values"] |= {"least": 0, "hold": True}
    sheet.update(view)
    sheet.go(0, "hold")
    sheet.press("Shift+End", "Shift+ArrowDown", "Shift+ArrowDown", "Delete")
    assert sheet.edited() == [
        ["R0000", "least", ""],
        ["R0000", "note", ""],
        ["R0001", "hold", "no"],
        ["R0001", "least", ""],
    ]
    sheet.press("Control+Home", "ArrowUp", "Delete", "x", "F2")
    assert sheet.at() == (-1, "rep_name") and sheet.selected() == set()
    assert sheet.acts() == [] and sheet.said() == ""


def test_a_flag_turns_by_space_by_enter_and_by_a_click(sheet: Sheet):
    view = small(seq=2)
    view["rows"][1]["values"]["hold"] = True
    sheet.update(view)
    sheet.go(0, "hold")
    sheet.press("Space")
    assert sheet.edited() == [["R0000", "hold", "yes"]]
    assert sheet.text(0, "hold") == "yes"
    sheet.go(1, "hold")
    sheet.press("Enter")
    assert sheet.edited() == [["R0001", "hold", "no"]]
    sheet.cell(2, "hold").click()
    assert sheet.edited() == [["R0002", "hold", "yes"]]
    assert editor(sheet).is_hidden()


def test_space_on_a_block_of_flags_makes_them_all_alike(sheet: Sheet):
    view = small(seq=2)
    view["rows"][1]["values"]["hold"] = True
    sheet.update(view)
    sheet.go(2, "hold")
    sheet.press("Shift+ArrowUp", "Shift+ArrowUp", "Space")
    assert sheet.edited() == [["R0000", "hold", "yes"], ["R0002", "hold", "yes"]]


def test_what_cannot_be_edited_says_why(sheet: Sheet):
    view = small(seq=2)
    view["rows"][1]["locks"] = {"goal": "agreed on 12 May"}
    sheet.update(view)
    locked = sheet.cell(1, "goal")
    playwright.expect(locked).to_have_attribute("aria-readonly", "true")
    playwright.expect(locked).to_have_attribute("title", "agreed on 12 May")
    marker = "cell => getComputedStyle(cell, '::before').content"
    assert locked.evaluate(marker) != sheet.cell(0, "goal").evaluate(marker) == "none"
    sheet.go(1, "goal")
    playwright.expect(locked).to_have_accessible_description("locked: agreed on 12 May")
    sheet.type("5")
    assert editor(sheet).is_hidden() and sheet.acts() == []
    assert sheet.said() == "1 cell is locked: goal of Bob Moreau (agreed on 12 May)."
    sheet.go(0, "expected")
    sheet.press("F2")
    assert sheet.said() == "1 cell cannot be edited: expected of Ann Lee."


# --- wrong input ---------------------------------------------------------------------------------

WRONG = "'12oo' is no amount; write it like 1284000"


def test_wrong_input_stays_in_its_cell_with_a_word_and_a_reason_until_it_is_mended(sheet: Sheet):
    expect = playwright.expect
    view = small(seq=2) | {"errors": {"R0001": {"goal": {"text": "12oo", "message": WRONG}}}}
    sheet.update(view)
    cell = sheet.cell(1, "goal")
    assert sheet.text(1, "goal") == "12oo"
    assert "wrong" in cell.evaluate("cell => getComputedStyle(cell, '::before').content")
    expect(cell).to_have_attribute("aria-invalid", "true")
    expect(cell).to_have_attribute("title", WRONG)
    sheet.go(1, "goal")
    expect(cell).to_have_accessible_description(WRONG)
    expect(sheet.page.locator(".pk-note")).to_have_text(WRONG)
    sheet.press("Enter")
    expect(editor(sheet)).to_have_value("12oo")
    expect(editor(sheet)).to_have_attribute("aria-invalid", "true")
    expect(editor(sheet)).to_have_accessible_description(WRONG)
    sheet.press("Escape")
    sheet.type("1007000")  # what the goal is anyway, which takes the error back
    assert sheet.edited() == [["R0001", "goal", "1007000"]]
    sheet.update(small(seq=3))
    assert cell.get_attribute("aria-invalid") is None


# --- blocks --------------------------------------------------------------------------------------


def test_shift_and_arrows_draw_a_block_and_the_next_move_drops_it(sheet: Sheet):
    sheet.go(1, "goal")
    sheet.press("Shift+ArrowDown", "Shift+ArrowRight")
    assert sheet.selected() == {(1, "goal"), (1, "share"), (2, "goal"), (2, "share")}
    sheet.press("ArrowUp")
    assert sheet.selected() == {(1, "share")}
    sheet.press("Control+a")
    assert len(sheet.selected()) == 6 * len(COLUMNS)


def test_a_mouse_draws_a_block_and_shift_and_a_click_extend_it(sheet: Sheet):
    sheet.cell(3, "hold").hover()
    sheet.page.mouse.down()
    sheet.cell(2, "goal").hover()
    sheet.page.mouse.up()
    block = {(r, k) for r in (2, 3) for k in ("goal", "share", "chance", "hold")}
    assert sheet.selected() == block
    sheet.cell(5, "goal").hover()
    assert sheet.selected() == block
    sheet.cell(2, "hold").click(modifiers=["Shift"])
    assert sheet.selected() == {(r, "hold") for r in (2, 3)}
    assert sheet.acts() == []


# --- order ---------------------------------------------------------------------------------------


def test_a_click_on_a_header_sorts_up_down_and_as_given(sheet: Sheet):
    view = small(seq=2)
    for at, goal in enumerate([30, None, 100, 9, None, 20]):
        view["rows"][at]["values"]["goal"] = goal
    sheet.update(view)
    given = NAMES
    orders = {"ascending": [3, 5, 0, 2, 1, 4], "descending": [2, 0, 5, 3, 1, 4], "none": range(6)}
    for direction, order in orders.items():
        sheet.cell(-1, "goal").click()
        playwright.expect(sheet.cell(-1, "goal")).to_have_attribute("aria-sort", direction)
        assert sheet.names() == [given[at] for at in order]
    sheet.press("Enter", "Home", "Space")
    assert sheet.names() == sorted(given, key=lambda name: name.replace("Å", "A"))
    playwright.expect(sheet.cell(-1, "goal")).to_have_attribute("aria-sort", "none")


def test_the_filter_reads_names_and_notes_and_counts(sheet: Sheet):
    view = small(seq=2)
    view["rows"][5]["values"]["note"] = "takes over from Lee"
    sheet.update(view)
    sheet.page.get_by_role("searchbox", name="filter people").fill("LEE")
    assert sheet.names() == ["Ann Lee", "Dee Lee", "Fay Young"]
    assert "3 of 6 people" in sheet.page.locator(".pk-bar").inner_text()
    sheet.page.get_by_role("searchbox").fill("lee d")
    assert sheet.names() == ["Dee Lee"]
    sheet.page.get_by_role("searchbox").fill("asa")
    assert sheet.names() == ["Åsa Quist"]
    sheet.page.get_by_role("searchbox").fill("nobody")
    assert sheet.names() == []
    assert "gap -1,200" in sheet.page.locator("tfoot").inner_text()
    sheet.page.get_by_role("searchbox").fill("")
    assert sheet.names() == NAMES


def test_a_row_does_not_run_away_when_its_goal_changes(sheet: Sheet):
    sheet.cell(-1, "goal").click()
    before = sheet.names()
    news = small(seq=2)
    news["rows"][0]["values"]["goal"] = 99_000_000
    sheet.update(news)
    assert sheet.names() == before and sheet.text(0, "goal") == "99,000,000"
    sheet.update(small(4, seq=3))
    assert sheet.names() == NAMES[:4]


# --- the clipboard -------------------------------------------------------------------------------


def test_copying_gives_numbers_as_spreadsheets_take_them(sheet: Sheet):
    view = small(seq=2)
    view["rows"][0]["values"] |= {
        "expected": 1100000.25,
        "goal": -1234567.5,
        "note": 'two\nlines "and" a\ttab',
        "hold": True,
    }
    sheet.update(view)
    sheet.go(0, "expected")
    sheet.press("Shift+End", "Shift+ArrowDown")
    first = '1100000.25\t-1234567.5\t0.08\t0.571\tyes\t\t"two\nlines ""and"" a\ttab"'
    assert sheet.copied() == first + "\r\n1107700\t1007000\t0.08\t0.571\tno\t\t"


def test_no_spreadsheet_is_given_a_formula(sheet: Sheet):
    view = small(seq=2)
    view["rows"][0]["values"]["note"] = "=HYPERLINK(1)"
    sheet.update(view)
    sheet.go(0, "note")
    assert sheet.copied() == "'=HYPERLINK(1)"
    sheet.press("ArrowDown", "Control+v")
    assert sheet.edited() == [["R0001", "note", "=HYPERLINK(1)"]]


def test_what_is_copied_and_pasted_back_changes_nothing(sheet: Sheet):
    view = small(seq=2)
    view["rows"][0]["locks"] = {"goal": "agreed"}
    sheet.update(view)
    sheet.go(0, "rep_name")
    sheet.press("Control+a", "Control+c", "Control+v")
    assert sheet.acts() == [] and sheet.said() == ""


def test_a_block_lands_on_the_cells_from_the_anchor_as_one_act_with_its_texts(sheet: Sheet):
    sheet.go(1, "goal")
    sheet.paste("1.284.000,50\t8 %\r\n1'300'000\t0,08\r\n")
    assert sheet.edited() == [
        ["R0001", "goal", "1.284.000,50"],
        ["R0001", "share", "8 %"],
        ["R0002", "goal", "1'300'000"],
        ["R0002", "share", "0,08"],
    ]
    assert sheet.said() == "4 cells changed."
    assert sheet.selected() == {(r, k) for r in (1, 2) for k in ("goal", "share")}


@pytest.mark.parametrize(
    ("plain", "html", "texts"),
    [
        ("1\t\r\n2\t\r\n", "", [["1", ""], ["2", ""]]),
        ("a\n", "", [["a"]]),
        ("a\n\n", "", [["a"], [""]]),
        ("1\n2\n", "<table><tr><td>1<tr><td>2<tr><td><br></table>", [["1"], ["2"], [""]]),
        ("1\n", "<table><tr><td>1<tr><td>other</table>", [["1"]]),
        ('"two\nlines"\t"say ""hi"""\t"a\tb"', "", [["two\nlines", 'say "hi"', "a\tb"]]),
        ('5" pipe\t"open\nnext', "", [['5" pipe', '"open'], ["next"]]),
        ('""\t"',  "", [["", '"']]),
        ("12.05.2026\t2026-05-12\t1-2", "", [["12.05.2026", "2026-05-12", "1-2"]]),
        ("", "<table><tr><td>1 000<td> b <tr><td>3</table>", [["1 000", "b"], ["3"]]),
    ],
)  # fmt: off
def test_cells_are_told_apart_as_spreadsheets_write_them(
    sheet: Sheet, plain: str, html: str, texts: list[list[str]]
):
    view = small(seq=2)
    view["columns"] = [COLUMNS[0], *(c | {"kind": "text", "edit": True} for c in COLUMNS[1:])]
    for row in view["rows"]:
        row["values"] = {"rep_name": row["values"]["rep_name"], **dict.fromkeys(KEYS[1:], "old")}
    sheet.update(view)
    sheet.go(0, "expected")
    sheet.paste(plain, html)
    assert sheet.edited() == [
        [f"R{at:04}", KEYS[1 + place], text]
        for at, line in enumerate(texts)
        for place, text in enumerate(line)
    ]


def test_one_value_fills_the_block_and_a_line_fills_its_lines(sheet: Sheet):
    sheet.go(0, "goal")
    sheet.press("Shift+ArrowDown", "Shift+ArrowRight")
    sheet.paste("5")
    assert sheet.edited() == [[f"R000{at}", key, "5"] for at in (0, 1) for key in ("goal", "share")]
    sheet.paste("6\t7%")
    assert [text for *_, text in sheet.edited()] == ["6", "7%", "6", "7%"]


def test_under_sort_and_filter_a_paste_reaches_the_rows_that_are_seen(sheet: Sheet):
    sheet.page.get_by_role("searchbox").fill("lee")
    sheet.cell(-1, "rep_name").click()
    sheet.cell(-1, "rep_name").click()
    assert sheet.names() == ["Dee Lee", "Ann Lee"]
    sheet.go(0, "goal")
    sheet.paste("1\n2\n3\n")
    assert sheet.edited() == [["R0003", "goal", "1"], ["R0000", "goal", "2"]]
    assert sheet.said() == "2 cells changed. 1 row past the last person: '3'."


def test_what_finds_no_place_or_no_leave_is_named_and_the_rest_goes_on(sheet: Sheet):
    view = small(seq=2)
    for at in (0, 1, 2):
        view["rows"][at]["locks"] = {"goal": "agreed on 12 May"}
    sheet.update(view)
    sheet.go(0, "expected")
    sheet.paste("\n".join(f"{at}\t{at}1" for at in range(8)))
    assert sheet.edited() == [[f"R000{at}", "goal", f"{at}1"] for at in (3, 4, 5)]
    locked = ", ".join(f"goal of {name} (agreed on 12 May)" for name in NAMES[:3])
    fixed = ", ".join(f"expected of {name}" for name in NAMES[:5])
    assert sheet.said() == (
        f"3 cells changed. 3 cells are locked: {locked}. 6 cells cannot be edited: {fixed} and "
        "1 more. 2 rows past the last person: '6 61', '7 71'."
    )
    sheet.go(0, "note")
    sheet.paste("a\tb")
    assert sheet.edited() == [["R0000", "note", "a"]]
    assert sheet.said() == "1 cell past the last column: 'b'."


def test_a_paste_into_the_open_editor_or_the_filter_is_theirs(sheet: Sheet):
    sheet.go(0, "goal")
    sheet.press("Enter", "Control+a")
    sheet.paste("77")
    playwright.expect(editor(sheet)).to_have_value("77")
    sheet.press("Escape")
    sheet.page.get_by_role("searchbox").focus()
    sheet.paste("ann")
    assert sheet.names() == ["Ann Lee"] and sheet.acts() == []


def test_a_paste_works_over_plain_http_where_pages_have_no_clipboard(window: test_browser.Window):
    body = PAGE % (STYLE, SCRIPT, SHOWN)
    window.page.route(
        "http://planning.test/", lambda route: route.fulfill(body=body, content_type="text/html")
    )
    window.page.goto("http://planning.test/")
    assert window.page.evaluate("[isSecureContext, navigator.clipboard === undefined]") == [
        False,
        True,
    ]
    sheet = Sheet(window.page)
    sheet.update(small())
    sheet.go(0, "goal")
    sheet.paste("1\n2")
    assert sheet.edited() == [["R0000", "goal", "1"], ["R0001", "goal", "2"]]
    assert sheet.copied() == "1\r\n2"


# --- a real spreadsheet --------------------------------------------------------------------------

GERMAN = "[$-407]#,##0.00"


@pytest.fixture(scope="module")
def calc(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[str, str]]:
    """Give what LibreOffice Calc puts on the clipboard for a block of a sheet: text and HTML."""
    if SOFFICE is None:
        pytest.skip("LibreOffice (soffice) is not installed: nothing fills the clipboard")
    folder = tmp_path_factory.mktemp("calc")
    book = Workbook()
    sheet = book.active
    sheet.append([1284000, 0.09, "yes", 1234567.5, 'say "hi"'])
    sheet.append([1300000.4, 0.075, "no", 12, "two\nlines"])
    sheet.append([1284000, 0.09, None, None, None])
    for row, kinds in enumerate([("#,##0", "0%"), ("#,##0", "0.0%"), (GERMAN, "0%")], start=1):
        for at, kind in enumerate(kinds, start=1):
            sheet.cell(row, at).number_format = kind
    sheet["G1"] = "12/05/26"
    sheet["G2"] = 46154
    sheet["G2"].number_format = "DD.MM.YYYY"
    book.save(folder / "book.xlsx")
    filling, blocks = Filling(), ("A1:E3", "A1:B3", "C1:C3", "G1:G2", "A1")
    orders = [("copy", block, str(folder / block.replace(":", "_"))) for block in blocks]
    filling.fill(folder / "book.xlsx", folder / "out.xlsx", *orders)
    filling.run(folder)

    def read(block: str) -> tuple[str, str]:
        path = folder / block.replace(":", "_")
        return tuple(path.with_suffix(kind).read_text("utf-8") for kind in (".txt", ".html"))

    return read


def test_a_block_of_calc_arrives_as_it_is_seen_there(sheet: Sheet, calc: Any):
    sheet.go(0, "goal")
    sheet.paste(*calc("A1:B3"))
    assert sheet.edited() == [
        ["R0000", "goal", "1,284,000"],
        ["R0000", "share", "9%"],
        ["R0001", "goal", "1,300,000"],
        ["R0001", "share", "7.5%"],
        ["R0002", "goal", "1.284.000,00"],
        ["R0002", "share", "9%"],
    ]


def test_the_empty_last_cell_of_a_block_of_calc_empties_its_cell(sheet: Sheet, calc: Any):
    view = small(seq=2)
    view["rows"][2]["values"]["note"] = "old"
    sheet.update(view)
    sheet.go(0, "note")
    sheet.paste(*calc("C1:C3"))
    assert sheet.edited() == [
        [f"R000{at}", "note", text] for at, text in enumerate(["yes", "no", ""])
    ]


def test_days_and_texts_of_calc_stay_what_they_are(sheet: Sheet, calc: Any):
    sheet.go(0, "note")
    sheet.paste(*calc("G1:G2"))
    assert sheet.edited() == [["R0000", "note", "12/05/26"], ["R0001", "note", "12.05.2026"]]


def test_one_cell_of_calc_fills_a_block(sheet: Sheet, calc: Any):
    sheet.go(0, "goal")
    sheet.press("Shift+ArrowDown")
    sheet.paste(*calc("A1"))
    assert sheet.edited() == [[f"R000{at}", "goal", "1,284,000"] for at in (0, 1)]


# --- for everybody -------------------------------------------------------------------------------

SERIOUS = ("serious", "critical")
LAB = {
    "light": "--jp-content-font-color0:#000;--jp-layout-color0:#fff;--jp-brand-color1:#1976d2",
    "dark": "--jp-content-font-color0:#fff;--jp-layout-color0:#111;--jp-brand-color1:#2196f3",
}


@pytest.mark.parametrize("theme", ["light", "dark", "lab light", "lab dark"])
def test_a_checker_of_accessibility_finds_nothing_serious(sheet: Sheet, theme: str):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe").Axe()
    scheme = theme.split()[-1]
    own = "dark" if theme == "lab light" else scheme  # Lab's theme goes before the system's
    sheet.page.emulate_media(color_scheme=own)
    ground = LAB[scheme] if "lab" in theme else ""
    paper = "#fff" if scheme == "light" else "#111"
    sheet.page.evaluate(
        "([text]) => document.documentElement.style.cssText = text",
        [f"{ground};background:{paper};color:{'#000' if scheme == 'light' else '#fff'}"],
    )
    view = small(60, seq=2)
    view["errors"] = {"R0001": {"goal": {"text": "12oo", "message": WRONG}}}
    view["rows"][2]["locks"] = {"goal": "agreed on 12 May"}
    sheet.update(view)
    back = sheet.page.locator(".pk-grid").evaluate("grid => getComputedStyle(grid).backgroundColor")
    assert (max(int(part) for part in re.findall(r"\d+", back)[:3]) < 50) == (scheme == "dark")
    sheet.go(1, "goal")
    sheet.press("Shift+ArrowDown", "Shift+ArrowRight")
    for stale, keys in ((False, ["Enter"]), (True, [])):
        sheet.press(*keys)
        sheet.page.evaluate("flag => grid.stale(flag)", stale)
        found = axe.run(sheet.page).response["violations"]
        serious = [f"{v['id']}: {v['nodes'][0]['html']}" for v in found if v["impact"] in SERIOUS]
        assert serious == []
