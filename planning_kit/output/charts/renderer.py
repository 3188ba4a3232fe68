"""Charts that show without a network: in JupyterLab, in a report, on a code host.

Altair's own renderers do not: "html" loads its scripts from the network, and "mimetype" writes
a type that JupyterLab 4 cannot draw and that makes a notebook invalid. This one puts three
things into one output: the chart as JupyterLab draws it, a picture for wherever scripts do not
run, and words for whoever does not see it.
"""

from __future__ import annotations

import base64
import json
import os
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import altair as alt
from altair.utils.schemapi import disable_debug_mode

from planning_kit.messages import DataError
from planning_kit.output.charts.png import shrink_png
from planning_kit.output.charts.theme import LABEL_LIMIT, planning_theme

SPEC_TYPE = "application/vnd.vegalite.v5+json"
SWITCH = "PLANNING_CHARTS"  # png: pictures only; vega: no pictures, as in a batch; both
PNG_LIMIT = 100_000  # bytes; notebooks with pictures are kept under version control

_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
# The Vega-Lite in vl-convert that is nearest to the 5.6 of JupyterLab 4: what a picture cannot
# show, JupyterLab could not draw either.
_VEGALITE = "5.8"
_SURELY_SHORT = 22  # characters of the theme's size that no limit cuts, however wide they are
_OTHER_LABELS = ("values", "labelExpr", "calculate")  # labels not in the data as they are
_SCALES = (1.5, 1.0)
_PARTS = ("layer", "concat", "hconcat", "vconcat", "spec")

Bundle = tuple[dict[str, Any], dict[str, Any]]


def enable() -> None:
    """Show charts with the kit's theme and renderer from now on; any number of times.

    Raises
    ------
    DataError
        The environment variable ``PLANNING_CHARTS`` is not ``png``, ``vega`` or ``both``.
    """
    _kinds()
    alt.theme.register("planning", enable=True)(planning_theme)
    alt.renderers.register("planning", chart_bundle)
    alt.renderers.enable("planning")
    if not draws_pictures():  # a batch: charts are checked when they show, not part by part as well
        disable_debug_mode()


def draws_pictures() -> bool:
    """Say whether pictures are wanted from this process: a batch draws them elsewhere."""
    return "png" in _kinds()


def chart_bundle(spec: Mapping[str, Any], **_: Any) -> Bundle:
    """Turn a chart into what a notebook keeps of it.

    Parameters
    ----------
    spec
        The chart as altair hands it over (Vega-Lite).

    Returns
    -------
    The output by type, and its metadata by type. ``text/plain`` is always there; the drawing
    and the picture as ``PLANNING_CHARTS`` says (default: both).
    """
    kinds = _kinds()
    content: dict[str, Any] = {"text/plain": text_alternative(spec)}
    metadata: dict[str, Any] = {}
    if "vega" in kinds:
        content[SPEC_TYPE] = {**spec, "$schema": _SCHEMA}
        metadata[SPEC_TYPE] = {"embed_options": {"actions": False}}
    if "png" in kinds:
        picture, width, height = chart_png(spec)
        content["image/png"] = base64.b64encode(picture).decode("ascii")
        metadata["image/png"] = {"width": width, "height": height}
    return content, metadata


def chart_png(spec: Mapping[str, Any]) -> tuple[bytes, int, int]:
    """Draw a chart as PNG: the picture, and the width and height to show it at (px).

    It has one and a half times as many dots, for sharp print, unless it would then be larger
    than 100 kB.
    """
    import vl_convert

    for scale in _SCALES:
        picture = shrink_png(
            vl_convert.vegalite_to_png(
                _to_draw(spec), vl_version=_VEGALITE, scale=scale, allowed_base_urls=[]
            )
        )
        if len(picture) <= PNG_LIMIT:
            break
    width, height = struct.unpack(">II", picture[16:24])
    return picture, round(width / scale), round(height / scale)


def chart_svg(spec: Mapping[str, Any]) -> str:
    """Draw a chart as SVG. Nothing is fetched: data must be inside the chart."""
    import vl_convert

    drawing: str = vl_convert.vegalite_to_svg(
        _to_draw(spec), vl_version=_VEGALITE, allowed_base_urls=[]
    )
    return drawing


def _to_draw(spec: Mapping[str, Any]) -> str:
    """Drop limits that no label can reach: measuring each against one takes a quarter of the time."""
    written = json.dumps(spec)
    rows = (row for rows in spec.get("datasets", {}).values() for row in rows)
    texts = (value for row in rows for value in row.values() if isinstance(value, str))
    if any(f'"{key}"' in written for key in _OTHER_LABELS) or "datasets" not in spec:
        return written
    if any(len(text) > _SURELY_SHORT for text in texts):
        return written
    config = {
        name: {**part, "labelLimit": 0}
        if isinstance(part, Mapping) and part.get("labelLimit") == LABEL_LIMIT
        else part
        for name, part in spec.get("config", {}).items()
    }
    return json.dumps({**spec, "config": config})


def text_alternative(spec: Mapping[str, Any]) -> str:
    """Say what a chart shows: its title and its description, wherever they stand in it.

    Examples
    --------
    >>> text_alternative({"hconcat": [{"title": "Goals", "description": "Ann 120, Bo 90."}]})
    'Chart: Goals. Ann 120, Bo 90.'
    >>> text_alternative({"mark": "bar"})
    'Chart without a title'
    """
    parts = list(_parts(spec))
    found = [
        next(filter(None, (_words(part.get(key)) for part in parts)), "")
        for key in ("title", "description")
    ]
    sentences = [words.rstrip(".") for words in dict.fromkeys(filter(None, found))]
    if not sentences:
        return "Chart without a title"
    end = "." if len(sentences) > 1 or found[-1].endswith(".") else ""
    return "Chart: " + ". ".join(sentences) + end


def _parts(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    # Only the charts inside a chart: axes and legends have titles too.
    yield spec
    for key in _PARTS:
        inner = spec.get(key, [])
        for part in inner if isinstance(inner, list) else [inner]:
            yield from _parts(part)


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ". ".join(filter(None, (_words(value.get(k)) for k in ("text", "subtitle"))))
    if isinstance(value, list):
        return " ".join(str(line) for line in value)
    return value.strip() if isinstance(value, str) else ""


def _kinds() -> tuple[str, ...]:
    kind = os.environ.get(SWITCH, "both")
    known = {"png": ("png",), "vega": ("vega",), "both": ("vega", "png")}
    if kind not in known:
        raise DataError(f"{SWITCH} is {kind!r}; set it to png, vega or both.")
    return known[kind]
