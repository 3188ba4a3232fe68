"""A report is one file that needs nothing but itself, and shows data as the text it is."""

import base64
import re

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbformat import v4

from planning_kit.messages import DataError
from planning_kit.output.charts.renderer import SPEC_TYPE, chart_bundle
from planning_kit.output.report import _OWN_TABLE, _cleaner, clean_html, export_html
from planning_kit.output.shown import show_table

HOSTILE = '<script>alert(1)</script> O\'Brien & "x" </title>'
SPEC = {
    "data": {"values": [{"rep": HOSTILE, "goal": 120_000}, {"rep": "Bo", "goal": 90_000}]},
    "mark": "bar",
    "encoding": {
        "x": {"field": "goal", "type": "quantitative"},
        "y": {"field": "rep", "type": "nominal"},
    },
    "title": "Goal by rep, EUR",
    "description": f"Two goals, the higher one of {HOSTILE}",
}


def shown(content, metadata=None):
    """Make a code cell that showed something."""
    output = v4.new_output("display_data", data=content, metadata=metadata or {})
    return v4.new_code_cell("secret_code()", outputs=[output])


@pytest.fixture
def report(tmp_path):
    """Export cells and read the page: its text and its parsed form."""

    def export(*cells, title=None, name="03_target_allocation.ipynb"):
        nbformat.write(v4.new_notebook(cells=list(cells)), tmp_path / name)
        page = export_html(tmp_path / name, tmp_path / "out" / "report.html", title=title)
        text = page.read_text(encoding="utf-8")
        return text, BeautifulSoup(text, "html.parser")

    return export


def table(frame, **options):
    return shown({"text/html": frame.to_html(**options), "text/plain": "a table"})


def columns_with(page, name):
    rows = page.select("tbody tr")
    return [i for i, cell in enumerate(rows[0].select("td")) if name in cell.get("class", [])]


def assert_needs_nothing_else(page):
    assert not page.select("script, link, iframe, object, embed, form, base")
    for tag in page.find_all(True):
        assert not [name for name in tag.attrs if name.startswith("on")]
        assert not re.search(r"https?:|url\(|@import", str(tag.get("style", "")))
        for place in ("src", "srcset", "data", "poster", "background"):
            assert not re.match(r"\s*(https?:)?//", str(tag.get(place, "")))
    for style in page.select("style"):
        assert not re.search(r"https?:|url\(|@import", style.get_text())


def test_a_page_has_language_title_and_text_but_no_code(report):
    text, page = report(
        v4.new_markdown_cell("# Target *allocation*\n\nRead **02** first."),
        v4.new_code_cell("region = 'North'", metadata={"tags": ["parameters"]}),
        v4.new_code_cell("region = 'Süd'", metadata={"tags": ["injected-parameters"]}),
        v4.new_markdown_cell("for authors only", metadata={"tags": ["parameters"]}),
        shown({"text/plain": "twelve goals"}),
    )
    assert page.html["lang"] == "en"
    assert page.title.get_text() == "Target allocation"
    assert [h.get_text() for h in page.select("h1")] == ["Target allocation"]
    assert page.strong.get_text() == "02"
    assert "twelve goals" in text
    for hidden in ("secret_code", "North", "Süd", "In [", "authors only"):
        assert hidden not in text
    assert_needs_nothing_else(page)


def test_a_text_behind_a_heading_is_not_part_of_a_link(report):
    _, page = report(v4.new_markdown_cell("## Split\n\nBlue goals were kept. See [00](#split)."))
    assert [link.get_text() for link in page.select("a")] == ["00"]
    assert page.select_one("h2")["id"] == "Split"
    assert page.select_one("section p").get_text() == "Blue goals were kept. See 00."


@pytest.mark.parametrize(
    ("given", "metadata", "cells", "expected"),
    [
        ("Given", {"title": "Stored"}, ["# Heading"], "Given"),
        (None, {"title": "Stored"}, ["# Heading"], "Stored"),
        (None, {}, ["text\n\n# Heading #\n"], "Heading"),
        (None, {}, ["## Only a section"], "03_split"),
    ],
)
def test_the_title_is_the_given_one_else_the_best_there_is(
    tmp_path, given, metadata, cells, expected
):
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell(c) for c in cells], metadata=metadata)
    nbformat.write(notebook, tmp_path / "03_split.ipynb")
    path = export_html(tmp_path / "03_split.ipynb", tmp_path / "a.html", title=given)
    page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    assert page.title.get_text() == expected
    assert len(page.select("h1")) == 1


def test_a_chart_without_a_picture_becomes_a_drawing_with_its_words(report, monkeypatch):
    monkeypatch.setenv("PLANNING_CHARTS", "vega")
    content, metadata = chart_bundle(SPEC)
    assert "image/png" not in content
    text, page = report(shown(content, metadata))
    image = page.select_one("figure img")
    kind, drawing = image["src"].split(",", 1)
    assert kind == "data:image/svg+xml;base64"
    assert b"Goal by rep, EUR" in base64.b64decode(drawing)
    assert image["alt"] == content["text/plain"]
    assert HOSTILE in image["alt"]
    assert len(text) < 100_000
    assert_needs_nothing_else(page)


def test_a_chart_that_cannot_be_drawn_leaves_its_picture_else_its_words(report):
    broken = {"mark": "no such mark", "data": {"url": "https://example.org/a.csv"}}
    words = {"text/plain": "Chart: Goals."}
    _, page = report(
        shown({SPEC_TYPE: broken, "image/png": "iVBORw0KGgo=\n", **words}),
        shown({SPEC_TYPE: broken, **words}),
    )
    assert page.select_one("img")["src"] == "data:image/png;base64,iVBORw0KGgo="
    assert page.select_one("img")["alt"] == "Chart: Goals."
    assert page.select_one("pre").get_text() == "Chart: Goals."


def test_a_picture_of_another_library_gets_some_words(report):
    content = {"image/png": "iVBORw0KGgo=", "text/plain": "<Figure size 640x480 with 1 Axes>"}
    _, page = report(shown(content))
    assert page.select_one("img")["alt"] == "Picture"


def test_names_with_signs_of_html_stay_text_everywhere(report):
    goals = pd.DataFrame({"goal": [1.0]}, index=pd.Index([HOSTILE], name="rep"))
    _, page = report(
        v4.new_markdown_cell(f"## {HOSTILE}"),
        table(goals),
        shown({"text/html": f"<b>{HOSTILE}</b>"}),
        shown({"text/markdown": f"*{HOSTILE}*"}),
        shown({"text/plain": HOSTILE}),
        v4.new_code_cell(outputs=[v4.new_output("stream", name="stdout", text=HOSTILE)]),
        title=HOSTILE,
        name="O'Brien & x.ipynb",
    )
    assert page.title.get_text() == HOSTILE
    assert page.select_one("h1").get_text() == HOSTILE
    assert page.select_one("tbody th").get_text() == HOSTILE
    assert page.footer.get_text() == "O'Brien & x.ipynb"
    assert [pre.get_text() for pre in page.select("pre")] == [HOSTILE, HOSTILE]
    assert page.select_one(".output b").get_text() == HOSTILE
    for markdown in ("div.words em", "h2"):  # tags are markup there; none of them works
        assert 'alert(1) O\'Brien & "x"' in page.select_one(markdown).get_text()
    assert_needs_nothing_else(page)


def test_nothing_from_elsewhere_is_shown_or_run(report):
    _, page = report(
        v4.new_markdown_cell(
            "![far](https://example.org/a.png) <img src=//example.org/b.png onerror=alert(1)>"
            "[in](javascript:alert(1)) [out](https://example.org/)"
        ),
        shown(
            {
                "text/html": "<iframe src='https://example.org'></iframe>"
                "<link rel=stylesheet href='https://example.org/a.css'>"
                "<p style='background:url(https://example.org/c.png);color:red'>text</p>"
                "<style>@import 'https://example.org/d.css'; p {color: blue}</style>"
            }
        ),
        shown({"application/javascript": "alert(1)", "text/plain": "instead"}),
    )
    assert_needs_nothing_else(page)
    assert [link.get("href") for link in page.select("a")] == [None, "https://example.org/"]
    assert page.select_one("p[style]")["style"].replace(" ", "") == "color:red;"
    assert page.get_text().count("[a picture from elsewhere is left out]") == 2
    assert "instead" in page.get_text()


def test_a_link_to_a_notebook_leads_to_its_report(report):
    _, page = report(
        v4.new_markdown_cell("[next](04_goal_metrics.ipynb#months) [up](../x/05.ipynb)")
    )
    assert [link.get("href") for link in page.select("a")] == ["04_goal_metrics.html#months", None]


def test_columns_of_numbers_stand_right_and_the_rest_left(report):
    goals = pd.DataFrame(
        {
            "rep_id": ["R001", "R002", "R003"],
            "goal": ["1,250,000", "−3.5", "(12)"],
            "share": ["12.5%", "8 %", "-1.0 pp"],
            "money": ["EUR 1,200", "€5", "900 EUR"],
            "when": ["2026-01-31", "2026-02-28", "2026-03-31"],
            "note": ["3 reps", "4", "5"],
            "small": [1.5e-05, 2.0, float("nan")],
        }
    )
    _, page = report(table(goals))
    names = [head.get_text() for head in page.select("thead th")][1:]
    right = [names[i] for i in columns_with(page, "number")]
    assert right == ["goal", "share", "money", "small"]
    heads = [head.get_text() for head in page.select("thead th.number")]
    assert heads == right


def test_an_empty_number_is_a_dash_and_zero_stays_zero(report):
    goals = pd.DataFrame({"goal": [0.0, float("nan")], "note": ["NaN", "none"]})
    _, page = report(table(goals))
    cells = [[cell.get_text() for cell in row.select("td")] for row in page.select("tbody tr")]
    assert cells == [["0.0", "NaN"], ["–", "none"]]
    assert page.select_one("td.nothing").get_text() == "–"


def test_a_wide_table_scrolls_by_itself_and_prints_smaller(report):
    months = pd.DataFrame([range(12)], columns=[f"2026-{month:02}" for month in range(1, 13)])
    _, page = report(table(months))
    frame = page.select_one("div.scroll")
    assert frame.table["style"] == "--columns:13"
    assert (frame["role"], frame["tabindex"]) == ("region", "0")


def test_heads_in_several_rows_keep_their_places(report):
    wide = pd.DataFrame(
        [["a", 1, 2], ["b", 3, 4]],
        columns=pd.MultiIndex.from_tuples([("who", "rep"), ("goal", "Q1"), ("goal", "Q2")]),
    )
    _, page = report(table(wide))
    assert [head.get_text() for head in page.select("thead th.number")] == ["Q1", "Q2"]


def test_colours_of_a_styled_table_are_kept_and_only_its_own(report):
    goals = pd.DataFrame({"status": ["fail", "pass"]})
    colour = goals.style.map(lambda s: "background-color: #fde8e4" if s == "fail" else "")
    text, page = report(shown({"text/html": colour._repr_html_()}))
    cell = page.select_one("tbody td")
    assert cell.get_text() == "fail"
    assert re.search(rf"#{cell['id']}\{{\s*background-color: #fde8e4;\s*\}}", text)
    assert "p {color" not in clean_html("<style>p {color: blue}</style>")
    assert "cursor" not in clean_html("<style>#T_a {cursor: url(x); color: red}</style>")
    assert clean_html("<style>#T_a {color: red}</style>") == "<style>#T_a{color: red;}</style>"


def test_a_run_that_stopped_says_so_on_top_and_in_its_place(report):
    failed = v4.new_output(
        "error",
        ename="InfeasiblePlanError",
        evalue="the limits of <R001> give 20,000 EUR too little",
        traceback=["\x1b[31mInfeasiblePlanError\x1b[0m: the limits"],
    )
    fault = v4.new_output("error", ename="KeyError", evalue="", traceback=["one", "\x1b[1mtwo"])
    _, page = report(
        v4.new_markdown_cell(
            "An Exception was encountered", metadata={"tags": ["papermill-error-cell-tag"]}
        ),
        v4.new_markdown_cell("# Split"),
        v4.new_code_cell(outputs=[failed]),
        v4.new_code_cell(outputs=[fault]),
    )
    banner, where, other = page.select(".stopped")
    assert banner.get_text().startswith("This report is not complete.")
    assert banner.a["href"] == f"#{where['id']}"
    assert "the limits of <R001> give 20,000 EUR too little" in where.get_text()
    assert where.details is None
    assert "KeyError" in other.get_text()
    assert other.select_one("details pre").get_text() == "one\ntwo"
    assert "An Exception" not in page.get_text()


def test_a_complete_run_has_no_warning_on_top(report):
    _, page = report(v4.new_markdown_cell("# Split"))
    assert not page.select(".stopped")


def test_controls_are_named_as_left_out_and_messages_are_folded(report):
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "VBox()"}
    stderr = v4.new_output("stream", name="stderr", text="12% done")
    _, page = report(shown(widget), v4.new_code_cell(outputs=[stderr]))
    assert "are in the notebook" in page.em.get_text()
    assert "VBox" not in page.get_text()
    assert page.select_one("details.messages pre").get_text() == "12% done"
    assert_needs_nothing_else(page)


def test_a_long_page_lists_its_sections_and_a_short_one_does_not(report):
    cells = [v4.new_markdown_cell("# Split")] + [
        v4.new_markdown_cell(f"## Part {name}") for name in ("one", "& two", "three")
    ]
    _, page = report(*cells)
    links = page.select("nav a")
    assert [link.get_text() for link in links] == ["Part one", "Part & two", "Part three"]
    ids = {head["id"] for head in page.select("h2")}
    assert {link["href"][1:] for link in links} == ids
    _, page = report(*cells[:3])
    assert not page.select("nav")


def test_a_picture_beside_the_notebook_is_put_into_the_page(report, tmp_path):
    (tmp_path / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    _, page = report(v4.new_markdown_cell("![our logo](logo.png)"))
    assert page.img["src"].startswith("data:image/png;base64,")
    assert page.img["alt"] == "our logo"


def test_the_same_notebook_gives_the_same_bytes(tmp_path):
    notebook = v4.new_notebook(cells=[shown(chart_bundle(SPEC)[0]), v4.new_markdown_cell("## A")])
    nbformat.write(notebook, tmp_path / "a.ipynb")
    pages = [
        export_html(tmp_path / "a.ipynb", tmp_path / f"{n}.html").read_bytes() for n in range(2)
    ]
    assert pages[0] == pages[1]


def test_a_page_of_many_charts_and_rows_stays_under_three_megabytes(report):
    many = pd.DataFrame({f"month {m}": range(200) for m in range(12)})
    chart = {SPEC_TYPE: SPEC, "text/plain": "Chart"}
    text, _ = report(table(many), *[shown(chart) for _ in range(12)])
    assert len(text.encode()) < 1_000_000


def test_a_failed_export_leaves_the_old_page_as_it_was(tmp_path, monkeypatch):
    nbformat.write(v4.new_notebook(cells=[v4.new_markdown_cell("# A")]), tmp_path / "a.ipynb")
    page = export_html(tmp_path / "a.ipynb", tmp_path / "a.html")
    before = page.read_bytes()

    def full_disk(*_):
        raise OSError("no space left")

    monkeypatch.setattr("os.replace", full_disk)
    with pytest.raises(OSError, match="no space left"):
        export_html(tmp_path / "a.ipynb", page)
    assert page.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "a.ipynb"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no notebook"),
        (b"not json", "is not a notebook"),
        (b"\xff\xfe", "is not a notebook"),
        (b'{"cells": 3, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}', "is not a notebook"),
        (b"[1]", "is not a notebook"),
    ],
)
def test_what_is_not_a_notebook_is_named(tmp_path, content, message):
    path = tmp_path / "a.ipynb"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        export_html(path, tmp_path / "a.html")
    assert not (tmp_path / "a.html").exists()


def test_a_table_of_the_kit_gets_what_any_other_table_gets(report):
    goals = pd.DataFrame(
        {"rep": ["Ann", "a name of more than thirty-six characters"], "goal": [1200.0, None]}
    )
    _, page = report(
        shown({"text/html": show_table(goals, unit="EUR", most=1)._repr_html_()}),
        shown({"text/html": show_table(goals)._repr_html_()}),
        table(goals),
    )
    own, whole, other = page.select("div.scroll")
    assert own.attrs == other.attrs and own.find_next_sibling("p").get_text() == "and 1 more rows"
    assert [frame.table["style"] for frame in (own, whole)] == ["--columns:3"] * 2
    assert [cell["class"] for cell in whole.select("td")] == [
        ["short"],
        ["number"],
        ["long"],
        ["number", "nothing"],
    ]
    assert [head.get("class") for head in whole.select("th")] == [None, ["number"]]


def test_the_mark_of_a_part_that_was_put_aside_cannot_be_forged(report):
    mark = "<kept-part>0</kept-part>"
    _, page = report(
        v4.new_markdown_cell(f"## {mark}"),
        shown({"text/html": show_table(pd.DataFrame({mark: [mark]}), caption=mark)._repr_html_()}),
        shown({"text/html": mark}),
        shown({"text/html": f"<style>#T_a {{color: red}} {mark}</style><b title='{mark}'>b</b>"}),
        shown({"text/plain": mark}),
        v4.new_code_cell(outputs=[v4.new_output("stream", name="stdout", text=mark)]),
        title=mark,
        name="kept-part.ipynb",
    )
    assert len(page.select("table")) == 1 and page.get_text().count(mark) == 8


@pytest.mark.parametrize("rows", [0, 2])
def test_the_kits_own_tables_are_what_cleaning_would_leave(rows):
    table = pd.DataFrame({"a": ["<script>x</script>", 'O\'Brien & "Co"'], "b": [1.0, None]})
    markup = show_table(table.head(rows), unit="E<b>UR", caption="a & b", most=1)._repr_html_()
    assert _OWN_TABLE.fullmatch(markup) and clean_html(markup) == markup
    cleaned = _cleaner()(markup)
    assert BeautifulSoup(cleaned, "html.parser").get_text() == (
        BeautifulSoup(markup, "html.parser").get_text()
    )
    tags = [[t.name for t in BeautifulSoup(m, "html.parser").find_all()] for m in (cleaned, markup)]
    assert tags[0] == tags[1]


@pytest.mark.parametrize(
    "change",
    [
        ("</td>", "<script>alert(1)</script></td>"),
        ("<tr>", '<tr onclick="x()">'),
        ("padding:0.25em", "background:url(//x)"),
        ("</table>", "</table><img src=//x>"),
        ("</td>", "<b></td>"),
        ("</table>", "</table></div>"),
        (">a &amp; b", "><i>"),
    ],
)
def test_what_only_looks_like_the_kits_own_table_is_cleaned(change):
    table = pd.DataFrame({"a": ["x"], "b": [1.0]})
    markup = show_table(table, caption="a & b")._repr_html_().replace(*change, 1)
    assert markup != show_table(table, caption="a & b")._repr_html_()
    assert not _OWN_TABLE.fullmatch(markup)
