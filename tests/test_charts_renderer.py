"""Charts show without a network, look alike, stay small, and say in words what they show."""

import itertools
import json
import struct
import subprocess
import sys
import zlib

import altair as alt
import numpy as np
import pandas as pd
import pytest

from planning_kit.messages import DataError
from planning_kit.output.charts import describe, enable
from planning_kit.output.charts.png import shrink_png
from planning_kit.output.charts.renderer import (
    PNG_LIMIT,
    SPEC_TYPE,
    SWITCH,
    chart_bundle,
    chart_png,
    chart_svg,
    text_alternative,
)
from planning_kit.output.charts.theme import BLUE, GRID, INK, MUTED, PALETTE, planning_theme

GOALS = pd.DataFrame(
    {
        "rep": [f"Representative {letter} of a long name" for letter in "ABCDEFGHIJKL"],
        "goal": [120_000.0 + 7_000 * place for place in range(12)],
        "change": ["kept", "raised", "lowered"] * 4,
    }
)


@pytest.fixture(autouse=True)
def altair_as_it_was(monkeypatch):
    monkeypatch.delenv(SWITCH, raising=False)
    renderer, theme = alt.renderers.active, alt.theme.active
    yield
    alt.renderers.enable(renderer)
    alt.theme.enable(theme)


def bars() -> alt.Chart:
    return alt.Chart(GOALS).mark_bar().encode(x="goal:Q", y="rep:N", color="change:N")


def described() -> alt.LayerChart:
    text = bars().mark_text(align="left").encode(text="goal:Q")
    return describe(bars() + text, title="Goal by rep, EUR", text="12 goals, 120,000 to 197,000.")


def bundle(chart: alt.TopLevelMixin) -> tuple[dict, dict]:
    return chart_bundle(chart.to_dict())


def test_one_output_holds_the_drawing_the_picture_and_the_words():
    content, metadata = bundle(described())
    assert set(content) == {SPEC_TYPE, "image/png", "text/plain"}
    assert content["text/plain"] == "Chart: Goal by rep, EUR. 12 goals, 120,000 to 197,000."
    assert content[SPEC_TYPE]["$schema"].endswith("/vega-lite/v5.json")
    assert metadata[SPEC_TYPE] == {"embed_options": {"actions": False}}
    assert SPEC_TYPE.endswith("+json"), "a notebook with another type is not valid"


@pytest.mark.parametrize(
    ("value", "kinds"),
    [("png", {"image/png"}), ("vega", {SPEC_TYPE}), ("both", {"image/png", SPEC_TYPE})],
)
def test_the_switch_says_what_a_chart_leaves(monkeypatch, value, kinds):
    monkeypatch.setenv(SWITCH, value)
    assert set(bundle(described())[0]) == kinds | {"text/plain"}


def test_an_unknown_switch_is_refused_before_any_chart(monkeypatch):
    monkeypatch.setenv(SWITCH, "svg")
    with pytest.raises(DataError, match="PLANNING_CHARTS is 'svg'; set it to png, vega or both"):
        enable()


def test_an_import_changes_nothing_of_altair():
    program = (
        "import altair as alt; before = alt.renderers.active, alt.theme.active;"
        "import planning_kit.output.charts, planning_kit.output.charts.renderer;"
        "assert (alt.renderers.active, alt.theme.active) == before"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_enabled_charts_show_with_renderer_and_theme_of_the_kit():
    alt.renderers.enable("default")
    enable()
    enable()
    assert alt.renderers.active == "planning"
    assert alt.theme.active == "planning"
    content, _ = described()._repr_mimebundle_()
    assert content["text/plain"].startswith("Chart: Goal by rep")
    assert content[SPEC_TYPE]["config"] == planning_theme()["config"]


def test_the_same_chart_made_twice_leaves_the_same_output():
    chosen = [
        describe(bars().add_params(alt.selection_point(fields=["rep"])), title="t", text="u")
        for _ in range(2)
    ]
    assert bundle(chosen[0]) == bundle(chosen[1])


@pytest.mark.parametrize(
    "combined",
    [
        lambda one: one,
        lambda one: one | bars(),
        lambda one: bars() & one,
        lambda one: alt.concat(bars(), one),
        lambda one: alt.layer(one, bars()),
        lambda one: one.facet("change:N"),
        lambda one: bars() | (bars() & one),
    ],
)
def test_the_words_are_found_wherever_they_stand_in_a_chart(combined):
    one = describe(bars(), title="Goals, EUR", text="All twelve rose.")
    assert text_alternative(combined(one).to_dict()) == "Chart: Goals, EUR. All twelve rose."


def test_words_of_an_axis_or_of_the_data_are_not_those_of_the_chart():
    named = pd.DataFrame({"title": ["a"], "description": ["b"]})
    chart = alt.Chart(named).mark_bar().encode(x=alt.X("title:N", title="An axis"))
    assert text_alternative(chart.to_dict()) == "Chart without a title"


def test_a_title_of_several_lines_with_a_subtitle_becomes_one_text():
    title = {"text": ["Goals", "of 2026"], "subtitle": "EUR"}
    assert text_alternative({"title": title}) == "Chart: Goals of 2026. EUR"


def test_a_chart_without_title_or_text_is_refused():
    for title, text in [("", "words"), ("Goals", "  ")]:
        with pytest.raises(ValueError, match="needs a title"):
            describe(bars(), title=title, text=text)


def test_a_picture_of_a_usual_chart_is_small_and_shown_at_its_own_size():
    enable()
    picture, width, height = chart_png(described().to_dict())
    dots = struct.unpack(">II", picture[16:24])
    assert len(picture) < PNG_LIMIT / 2
    assert (width, height) == (round(dots[0] / 1.5), round(dots[1] / 1.5))


def test_a_picture_too_large_is_drawn_with_fewer_dots(monkeypatch):
    sizes = iter([PNG_LIMIT + 1, PNG_LIMIT])
    monkeypatch.setattr(
        "planning_kit.output.charts.renderer.shrink_png", lambda png: png.ljust(next(sizes), b"\0")
    )
    picture, width, _ = chart_png(described().to_dict())
    assert struct.unpack(">I", picture[16:20])[0] == width


def test_packing_a_picture_again_changes_no_dot():
    import vl_convert

    spec = json.dumps(described().to_dict())
    packed = vl_convert.vegalite_to_png(spec, vl_version="5.8")
    again = shrink_png(packed)
    assert len(again) < len(packed) / 2
    assert dots_of(again) == dots_of(packed)


def test_a_picture_with_see_through_parts_is_left_alone():
    import vl_convert

    spec = json.dumps({**described().to_dict(), "background": "transparent"})
    packed = vl_convert.vegalite_to_png(spec, vl_version="5.8")
    assert shrink_png(packed) == packed


def dots_of(picture: bytes) -> list[tuple[int, ...]]:
    """Read a PNG dot by dot, as the specification says, without numpy."""
    header, packed, at = b"", b"", 8
    while at < len(picture):
        length, kind = struct.unpack(">I4s", picture[at : at + 8])
        content = picture[at + 8 : at + 8 + length]
        assert struct.unpack(">I", picture[at + 8 + length : at + 12 + length]) == (
            zlib.crc32(kind + content),
        )
        header, packed = (
            content if kind == b"IHDR" else header,
            packed + content * (kind == b"IDAT"),
        )
        at += 12 + length
    width, height, _, colour = struct.unpack(">IIBB", header[:10])
    parts = {2: 3, 6: 4}[colour]
    raw, dots = zlib.decompress(packed), []
    for row in range(height):
        line = raw[row * (1 + width * parts) :][: 1 + width * parts]
        assert line[0] in (0, 1)
        left = [0] * parts
        for dot in range(width):
            values = line[1 + dot * parts : 1 + (dot + 1) * parts]
            left = [(v + (p if line[0] else 0)) % 256 for v, p in zip(values, left, strict=True)]
            dots.append(tuple(left[:3]))
    return dots


def test_a_drawing_fetches_nothing():
    with pytest.raises(ValueError, match="not allowed"):
        chart_svg({"data": {"url": "https://example.org/goals.csv"}, "mark": "bar"})


def test_long_names_are_not_cut_off():
    enable()
    name = "Gesellschaft für Vertrieb und Kundendienst Süd"
    chart = alt.Chart(pd.DataFrame({"rep": [name], "goal": [1.0]})).mark_bar()
    drawing = chart_svg(chart.encode(x="goal:Q", y="rep:N").to_dict())
    assert f">{name}</text>" in drawing  # else it would end in an ellipsis


# Colours. Sight with a colour vision deficiency: the matrices of Machado, Oliveira and Fernandes
# (2009), "A Physiologically-based Model for Simulation of Color Vision Deficiency", severity 1.
SIGHT = {
    "usual": np.eye(3),
    "without red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "without green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "without blue": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def light(colour: str) -> np.ndarray:
    """Give the linear light of a colour: red, green, blue, each 0 to 1 (sRGB, IEC 61966-2-1)."""
    parts = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast_on_white(colour: str) -> float:
    """Give the contrast ratio of WCAG 2.2, 1 to 21."""
    return 1.05 / (float(light(colour) @ [0.2126, 0.7152, 0.0722]) + 0.05)


def perceived(values: np.ndarray) -> np.ndarray:
    """Give the CIE L*a*b* values (D65) of linear light."""
    to_xyz = [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
    x, y, z = np.cbrt((np.array(to_xyz) @ np.clip(values, 0, 1)) / [0.95047, 1, 1.08883])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_marks_stand_out_from_white_and_text_can_be_read():
    assert {colour: contrast_on_white(colour) >= 3 for colour in PALETTE} == dict.fromkeys(
        PALETTE, True
    )
    assert min(contrast_on_white(INK), contrast_on_white(MUTED)) >= 4.5
    assert contrast_on_white(GRID) < 1.5, "a grid must stay behind the marks"
    assert planning_theme()["config"]["bar"]["color"] == BLUE == PALETTE[0]


@pytest.mark.parametrize("sight", SIGHT)
def test_no_two_colours_look_alike_with_a_colour_vision_deficiency(sight):
    seen = {colour: perceived(np.array(SIGHT[sight]) @ light(colour)) for colour in PALETTE}
    nearest = min(np.linalg.norm(seen[a] - seen[b]) for a, b in itertools.combinations(PALETTE, 2))
    assert nearest > 15  # about 2 can just be told apart side by side
