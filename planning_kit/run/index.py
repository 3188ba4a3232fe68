"""The first page of a run: every region with its numbers and the way to its reports."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any
from urllib.parse import quote

from planning_kit.plan import bundled, write_atomically

_HEAD = ("region", "status", "target", "allocated", "gap", "reps", "reports")


def write_index(run: Path, manifest: dict[str, Any]) -> Path:
    """Write ``index.html`` of a run; it needs nothing but the reports beside it."""
    style = (bundled("templates") / "report" / "style.css").read_text(encoding="utf-8")
    rows = "".join(_row(record) for record in manifest["regions"])
    head = "".join(f"<th>{name}</th>" for name in _HEAD)
    title = html.escape(f"{manifest['plan']}: sales goals")
    note = html.escape(
        f"Run {manifest['run_id']}, scenario {manifest['scenario']}, amounts in "
        f"{manifest['currency']}, {manifest['status']}."
    )
    page = (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{style}\nbody {{ max-width: 1100px; margin: 2rem auto; padding: 0 1rem; }}"
        "td, th { padding: .3rem .7rem; text-align: right; vertical-align: top; }"
        "td:first-child, td:nth-child(2), td:last-child, th:first-child, th:nth-child(2), "
        "th:last-child { text-align: left; } td:last-child { min-width: 15rem; } "
        "main > div { overflow-x: auto; }</style></head>"
        f"<body><main><h1>{title}</h1><p>{note}</p><div><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div></main></body></html>\n"
    )
    path = run / "index.html"
    write_atomically(path, page)
    return path


def _row(record: dict[str, Any]) -> str:
    amounts = [_amount(record[name]) for name in ("target", "allocated", "gap")]
    error = f"<br><small>{html.escape(record['error'])}</small>" if record["error"] else ""
    cells = [
        html.escape(record["region"]),
        html.escape(record["status"]) + error,
        *amounts,
        "–" if record["reps"] is None else str(record["reps"]),
        ", ".join(_links(record)) or "–",
    ]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _links(record: dict[str, Any]) -> list[str]:
    links = []
    for notebook in record["notebooks"]:
        for name in notebook["outputs"]:
            if name.endswith(".html"):
                words = html.escape(notebook["name"].partition("_")[2].replace("_", " "))
                links.append(f'<a href="{quote(record["folder"])}/{quote(name)}">{words}</a>')
    return links


def _amount(value: float | None) -> str:
    return "–" if value is None or value != value else f"{value:,.0f}"
