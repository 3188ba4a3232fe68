"""The what-if panel in JupyterLab: taken hold of, typed into, pasted into, undone, saved, and back again."""
# ruff: noqa: F811

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from planning_kit.plan import load_scenario
from planning_kit.walk import open_step
from planning_kit.walk.what_if import ask

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import expect

from tests.test_browser import Lab, chromium, is_local, lab, wait_for  # noqa: F401

pytestmark = pytest.mark.browser

DRAWN = """host => {
  const names = [...host.querySelectorAll(".role-axis-label text")];
  const rows = names.filter((name) => /[a-z]/.test(name.textContent));
  const top = (name) => name.getBoundingClientRect().top;
  return rows.sort((one, other) => top(one) - top(other)).map((name) => name.textContent);
}"""
PASTE = """(cell, text) => {
  const data = new DataTransfer();
  data.setData("text/plain", text);
  cell.dispatchEvent(
    new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }),
  );
}"""


class Panel:
    """The panel as somebody sees it who looks and types."""

    def __init__(self, page: Any, lab: Lab) -> None:
        self.page, self.lab = page, lab
        self.box = page.locator(".pk-what-if")

    def settled(self) -> Panel:
        expect(self.box).to_have_attribute("aria-busy", "false")
        return self

    def card(self, label: str) -> str:
        self.settled()
        card = self.box.locator(".pk-card").filter(has_text=re.compile(f"^{label}"))
        return card.locator(".pk-card-value").inner_text()

    def cell(self, name: str, column: str) -> Any:
        heads = self.box.locator("[role=grid] thead th").all_inner_texts()
        at = next(k for k, head in enumerate(heads) if head.split("\n")[0].strip() == column)
        row = self.box.locator("[role=grid] tbody tr").filter(has_text=name)
        return row.locator("td").nth(at)

    def shows(self, name: str, column: str, text: str | re.Pattern[str]) -> None:
        expect(self.cell(name, column)).to_have_text(text)

    def type(self, name: str, column: str, text: str, end: str = "Enter") -> None:
        self.cell(name, column).click()
        self.page.keyboard.type(text)
        self.page.keyboard.press(end)
        self.settled()

    def press(self, button: str) -> None:
        self.box.get_by_role("button", name=button, exact=True).click()
        self.settled()

    def goals(self) -> list[float]:
        self.settled()
        names = self.box.locator("[role=grid] tbody td.pk-name").all_inner_texts()
        texts = [self.cell(name, "goal").inner_text() for name in names]
        return [float(text.replace(",", "")) for text in texts]

    def drawn(self) -> list[str]:
        """Name who is in the picture, from the top down."""
        now = self.settled().box.get_attribute("data-digest")
        picture = self.box.locator(".pk-picture")
        expect(picture).to_have_attribute("data-drawn", now)
        return picture.evaluate(DRAWN)

    def said(self, text: str) -> None:
        expect(self.box.locator(".pk-said")).to_contain_text(text)

    def reset(self) -> None:
        self.press("Reset")


@pytest.fixture(scope="module")
def opened(chromium: Any, lab: Lab) -> Iterator[Panel]:
    """Open the notebook after the walk before it has run, as a planner does."""
    for name in ("02_assumptions", "03_target_allocation"):
        step = open_step(name, "North", str(lab.folder))
        step.write()
    context = chromium.new_context(viewport={"width": 1280, "height": 1000}, locale="en-US")
    outside: list[str] = []

    def answer(route: Any) -> None:
        if is_local(route.request.url):
            route.continue_()
        else:
            outside.append(route.request.url)
            route.abort()

    context.route("**/*", answer)
    page = context.new_page()
    page.set_default_timeout(60_000)
    expect.set_options(timeout=30_000)
    lab.open(page, "07_what_if")
    lab.run_all(page, "07_what_if")
    panel = Panel(page, lab)
    panel.box.scroll_into_view_if_needed()
    yield panel
    context.close()
    assert outside == []


@pytest.fixture
def panel(opened: Panel) -> Panel:
    opened.reset()
    return opened


def apart(panel: Panel, scenario: str = "base") -> Any:
    """Ask the package itself, in another process than the page's kernel."""
    step = open_step("07_what_if", "North", str(panel.lab.folder), scenario=scenario)
    return ask(step, step.scenario)


def test_every_number_on_the_page_is_the_packages(panel: Panel):
    answer = apart(panel)
    assert [panel.card(card.label) for card in answer.cards] == [c.value for c in answer.cards]
    for row in answer.people.itertuples():
        panel.shows(row.rep_name, "goal", f"{row.goal:,.0f}")
        panel.shows(row.rep_name, "expected", f"{row.expected:,.0f}")
    assert panel.box.get_attribute("data-digest") == answer.digest
    expect(panel.box.locator(".pk-picture")).to_have_attribute("data-drawn", answer.digest)
    assert panel.box.locator(".pk-picture svg").count() == 1


def test_a_slider_moves_by_the_keyboard_and_everything_follows(panel: Panel):
    before = panel.card("target")
    panel.box.get_by_label("change of the target (%), slider").press("ArrowRight")
    wait_for(lambda: panel.card("target") != before, "the answer to follow")
    target = float(panel.card("target").split()[0].replace(",", ""))
    was = float(before.split()[0].replace(",", ""))
    assert target == pytest.approx(1.01 * was, abs=50)
    assert sum(panel.goals()) == target and panel.card("gap") == "0 EUR"
    assert panel.box.get_by_label("change of the target (%)", exact=True).input_value() == "1 %"
    panel.press("Undo")
    assert panel.card("target") == before


@pytest.mark.parametrize("text", ["8%", "0,08", "8"])
def test_a_share_is_read_alike_however_it_is_typed(panel: Panel, text: str):
    field = panel.box.get_by_label("change of the target (%)", exact=True)
    field.fill(text)
    field.press("Enter")
    expect(field).to_have_value("8 %")
    own = panel.page.get_by_label("change of the target (%)", exact=True)
    expect(panel.box.locator(".pk-lever").filter(has=own)).to_contain_text("as it was")


def test_a_goal_that_is_typed_is_held_and_a_wrong_one_is_kept(panel: Panel):
    total = sum(panel.goals())
    panel.type("Anna Weber", "goal", "1.500.000")
    panel.shows("Anna Weber", "goal", "1,500,000")
    panel.shows("Anna Weber", "hold", re.compile("yes"))
    assert sum(panel.goals()) == total
    panel.type("Emma Keller", "goal", "much")
    wrong = panel.cell("Emma Keller", "goal")
    expect(wrong).to_have_attribute("aria-invalid", "true")
    expect(wrong).to_contain_text("much")
    panel.cell("Emma Keller", "goal").dblclick()
    expect(panel.box.locator(".pk-editor")).to_have_value("much")
    panel.page.keyboard.press("Control+a")
    panel.page.keyboard.type("1700000")
    panel.page.keyboard.press("Enter")
    panel.shows("Emma Keller", "goal", "1,700,000")
    panel.page.keyboard.press("Control+z")
    panel.page.keyboard.press("Control+z")
    panel.shows("Anna Weber", "hold", re.compile("no"))
    panel.page.keyboard.press("Control+y")
    panel.shows("Anna Weber", "goal", "1,500,000")


def test_a_block_is_pasted_as_one_act(panel: Panel):
    before = panel.goals()
    first = panel.cell("Anna Weber", "goal")
    first.click()
    first.evaluate(PASTE, "1,500,000\n1.300.000\n1 200 000\n")
    panel.shows("Anna Weber", "goal", "1,500,000")
    assert panel.goals()[:3] == [1_500_000, 1_300_000, 1_200_000]
    names = panel.box.locator("[role=grid] tbody td.pk-name").all_inner_texts()
    largest = sorted(zip(panel.goals(), names, strict=True), reverse=True)
    assert panel.drawn() == [name for _, name in largest]
    panel.page.keyboard.press("Control+z")
    panel.shows("Anna Weber", "goal", f"{before[0]:,.0f}")
    assert panel.goals() == before


def test_rules_that_cannot_hold_are_named_with_ways_out(panel: Panel):
    first = panel.cell("Anna Weber", "most")
    first.click()
    first.evaluate(PASTE, "1000000\n" * 12)
    alert = panel.box.get_by_role("alert")
    expect(alert).to_contain_text("cannot all hold")
    assert not re.search(r"R0\d\d", alert.inner_text())
    expect(panel.box.locator(".pk-picture svg")).to_be_hidden()
    alert.get_by_role("button").first.click()
    expect(alert).to_be_empty()
    panel.said("Undo takes it back")
    assert panel.card("gap") == "0 EUR"


def test_a_person_shows_the_steps_of_the_goal(panel: Panel):
    panel.cell("Anna Weber", "person").click()
    steps = panel.box.locator(".pk-person")
    expect(steps).to_contain_text("How the goal comes about")
    expect(steps).to_contain_text(re.compile(r"goal\s*1,7\d\d,\d00 EUR"))
    steps.get_by_role("button", name="close").click()
    expect(steps).to_be_empty()


def test_work_is_saved_compared_and_survives_a_restart(panel: Panel):
    panel.type("Anna Weber", "goal", "1600000")
    panel.box.get_by_label("scenario name").fill("from the page")
    panel.press("Save as")
    panel.said("written: scenarios/from the page.toml")
    path = panel.lab.folder / "scenarios" / "from the page.toml"
    (hold,) = (h for h in load_scenario(path).holds if "R001" in h.name)
    assert hold.amount == 1_600_000
    people = apart(panel, "from the page").people.set_index("rep_name")["goal"]
    panel.shows("Emma Keller", "goal", f"{people['Emma Keller']:,.0f}")
    panel.box.locator("summary").click()
    for name in ("base", "from the page"):
        panel.box.get_by_label(name, exact=True).check()
        panel.settled()
    found = panel.box.locator(".pk-compare")
    expect(found).to_contain_text("from the page against base")
    expect(found).to_contain_text("all together")
    panel.box.get_by_label("scenario to open").select_option("base")
    panel.press("Open")
    panel.said("opened: scenarios/base.toml")
    panel.type("Anna Weber", "goal", "1450000")
    panel.page.reload()
    panel.page.get_by_text("| Idle").wait_for()
    panel.lab.run_all(panel.page, "07_what_if")
    panel.box.scroll_into_view_if_needed()
    panel.said("unsaved work")
    panel.shows("Anna Weber", "goal", "1,450,000")


def test_light_and_dark_can_be_read_by_everybody(panel: Panel):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not there")
    panel.type("Anna Weber", "most", "x")
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        panel.page.get_by_role("menuitem", name="Settings", exact=True).click()
        panel.page.get_by_text("Theme", exact=True).hover()
        panel.page.get_by_text(theme, exact=True).click()
        panel.page.wait_for_timeout(1500)
        found = axe.Axe().run(panel.page, {"include": [[".pk-what-if"]]}).response["violations"]
        serious = [one for one in found if one["impact"] in ("serious", "critical")]
        assert [(one["id"], one["nodes"][0]["html"][:120]) for one in serious] == []
