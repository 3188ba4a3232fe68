"""What stands where a widget cannot be drawn: without a kernel, without trust, on paper."""

from __future__ import annotations

import base64
import html
from typing import Any, TypeVar

_View = TypeVar("_View")


def with_static(view: _View, markup: str, text: str) -> _View:
    """Give a widget that shows as a table wherever it cannot be drawn.

    A report, papermill, a code host and a notebook that is not trusted choose ``text/html`` or
    ``text/plain`` of an output; JupyterLab and Voilà go on to draw the widget.

    Parameters
    ----------
    view
        The widget.
    markup, text
        The same as HTML and as text.

    Examples
    --------
    >>> import ipywidgets
    >>> shown, _ = with_static(ipywidgets.VBox(), "<p>12</p>", "12")._repr_mimebundle_()
    >>> sorted(shown)
    ['application/vnd.jupyter.widget-view+json', 'text/html', 'text/plain']
    """
    widget: Any = view
    drawn = widget._repr_mimebundle_

    def bundle(**asked: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        made = drawn(**asked) or {}
        data, about = made if isinstance(made, tuple) else (made, {})  # as anywidget gives it
        return {**data, "text/html": markup, "text/plain": text}, about

    widget._repr_mimebundle_ = bundle
    return view


def as_image(drawing: str, words: str) -> str:
    """Write a drawing (SVG) as an image, which markup that is cleaned may hold; empty stays empty."""
    data = base64.b64encode(drawing.encode()).decode("ascii")
    source = f"data:image/svg+xml;base64,{data}"
    return f'<img alt="{html.escape(words)}" src="{source}">' if drawing else ""
