"""The answer before the details: cards in a notebook, in a report and as text."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from planning_kit.messages import DataError, finding, findings_table
from planning_kit.output.cards import Card, chance_card, finding_card, money_card, show_cards
from planning_kit.output.report import clean_html, export_html
from tests.making import make_inputs, make_settings

LINE = (
    Card("target", "15,891,600 EUR", "+4.2 % on the <reviewed> year"),
    Card("chance of the target", "41 %", status="review"),
    Card("gap", ""),
)


def test_cards_are_a_list_with_nothing_to_fetch():
    page = show_cards(LINE, "North & South")._repr_html_()
    assert page.count('role="listitem"') == 3 and 'aria-label="North &amp; South"' in page
    assert "&lt;reviewed&gt;" in page and ">–</p>" in page
    assert not re.search(r"url\(|src=|href=|<script|<style", page)


def test_a_status_is_said_in_words_too():
    assert "(look at it)" in show_cards(LINE)._repr_html_()
    assert repr(show_cards(LINE)).splitlines()[1] == "chance of the target  41 %; look at it"
    with pytest.raises(DataError, match="did you mean 'review'"):
        Card("chance", "41 %", status="revue")


def test_amounts_and_chances_are_written_in_one_way():
    settings = make_settings()
    assert money_card("target", 15891600, settings).value == "15,891,600 EUR"
    assert money_card("target", None, settings).value == "–"
    assert money_card("target", 12.5, make_settings(rounding_unit=0.01)).value == "12.50 EUR"
    assert chance_card("chance", 0.571).value == "57 %"


def test_the_first_finding_says_what_to_do_by_name():
    region = make_inputs(reps="rep_id rep_name\nR01 Ann")
    rows = [
        finding("a.b", "review", "x", "'R01' is short", "Ask R01."),
        finding("a.c", "fail", "x", "too high", "Lower it."),
        finding("a.d", "pass", "x", "fine"),
    ]
    card = finding_card(findings_table(rows), region)
    assert (card.value, card.note, card.status) == (
        "too high",
        "Lower it. 1 more finding below.",
        "fail",
    )
    card = finding_card(findings_table(rows[:1]), region)
    assert (card.value, card.note) == ("Ann is short", "Ask Ann.")
    assert finding_card(findings_table(rows[2:])).status == "pass"
    assert finding_card(findings_table([])).value == "Nothing stands out."


def test_a_report_keeps_the_cards_with_their_look(tmp_path: Path):
    made = show_cards(LINE, "North")
    output = nbformat.v4.new_output(
        "execute_result",
        {"text/html": made._repr_html_(), "text/plain": repr(made)},
        execution_count=1,
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", outputs=[output])])
    nbformat.write(notebook, tmp_path / "n.ipynb")
    page = export_html(tmp_path / "n.ipynb", tmp_path / "n.html").read_text(encoding="utf-8")
    shown = page[page.index('class="cards"') :]
    assert shown.count('role="listitem"') == 3 and "flex-wrap:wrap" in shown
    assert made._repr_html_().count("flex:1 1 9rem") == shown.count("flex:1 1 9rem") == 3


def test_cleaning_loses_no_declaration_of_a_card():
    def declared(page: str) -> list[str]:
        return [
            part.strip()
            for style in re.findall(r'style="([^"]*)"', page)
            for part in style.split(";")
            if part.strip()
        ]

    page = show_cards(LINE, "North")._repr_html_()
    assert declared(clean_html(page)) == declared(page)


def test_text_stands_for_cards_where_there_is_no_page():
    assert repr(show_cards(LINE, "North")).splitlines() == [
        "North",
        "target                15,891,600 EUR; +4.2 % on the <reviewed> year",
        "chance of the target  41 %; look at it",
        "gap                   –",
    ]
