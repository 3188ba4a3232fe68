"""What a panel says below its controls."""

from __future__ import annotations

import html


def note(text: str, colour: str) -> str:
    """Say something below the controls, in a colour that stands on white in a dark theme too."""
    style = f"color:{colour};background:#FFFFFF;padding:0 0.5em"
    return f'<p role="status"><span style="{style}">{html.escape(text)}</span></p>'
