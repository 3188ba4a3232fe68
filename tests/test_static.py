"""What stands where nobody can click: reports, runs, code hosts, notebooks that are not trusted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import ipywidgets as w
import nbformat
import pytest

import planning_kit as pk
from planning_kit.output.report import export_html, without_widgets
from planning_kit.widgets.static import as_image, with_static

VIEW = "application/vnd.jupyter.widget-view+json"


def notebook(data: dict[str, Any]) -> nbformat.NotebookNode:
    v4 = nbformat.v4
    return v4.new_notebook(cells=[v4.new_code_cell(outputs=[v4.new_output("display_data", data)])])


def bundle(widget: Any) -> dict[str, Any]:
    data, _ = widget._repr_mimebundle_(include=None, exclude=None)
    return data


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    return bundle(pk.what_if_panel(pk.open_step("07_what_if", "West")))


def test_the_panel_comes_with_its_result_as_table_picture_and_text(shown):
    assert set(shown) == {VIEW, "text/html", "text/plain"}
    target = f"{pk.open_step('07_what_if', 'West').inputs.target:,.0f} EUR"
    assert target in shown["text/html"] and target in shown["text/plain"]
    assert (
        '<img alt="Goal and starting point by person" src="data:image/svg+xml' in shown["text/html"]
    )
    assert "<svg" not in shown["text/html"]  # what cleans markup takes drawings out, not images


def test_a_report_shows_table_and_picture_of_a_panel(shown, tmp_path: Path):
    nbformat.write(notebook(shown), tmp_path / "a.ipynb")
    page = export_html(tmp_path / "a.ipynb", tmp_path / "a.html").read_text("utf-8")
    assert page.count("<table") == 1 and page.count("<img") == 1
    assert "chance that the region reaches the target" in page and "VBox(" not in page


def test_nbconvert_shows_them_too(shown, tmp_path: Path):
    nbformat.write(notebook(shown), tmp_path / "a.ipynb")
    command = [sys.executable, "-m", "nbconvert", "--to", "html", str(tmp_path / "a.ipynb")]
    subprocess.run(command, check=True, capture_output=True)
    body = (tmp_path / "a.html").read_text("utf-8").partition("<main")[2]
    assert body.count("<table") == 1 and "data:image/svg+xml" in body and VIEW not in body


def test_a_kept_notebook_has_the_table_where_no_widget_can_come(shown):
    kept = without_widgets(nbformat.writes(notebook(shown)))
    data = nbformat.reads(kept, as_version=4).cells[0].outputs[0].data
    assert data == {name: shown[name] for name in ("text/html", "text/plain")}
    alone = nbformat.writes(notebook({VIEW: {"model_id": "1"}, "text/plain": "VBox()"}))
    assert VIEW in without_widgets(alone)  # nothing else would be left of it
    plain = nbformat.writes(notebook({"text/plain": "12"}))
    assert without_widgets(plain) is plain


def test_words_are_escaped_and_without_a_drawing_there_is_no_image():
    assert as_image("", "nothing") == ""
    assert 'alt="a &quot;b&quot;"' in as_image("<svg/>", 'a "b"')
    assert bundle(with_static(w.VBox(), "<p>12</p>", "12"))["text/plain"] == "12"


def test_a_widget_that_gives_its_view_with_metadata_keeps_both():
    anywidget = pytest.importorskip("anywidget", reason="anywidget is not installed")
    widget = anywidget.AnyWidget(_esm="export default { render() {} }")
    _, about = widget._repr_mimebundle_()
    data, kept = with_static(widget, "<p>12</p>", "12")._repr_mimebundle_()
    assert set(data) == {VIEW, "text/html", "text/plain"} and kept == about
