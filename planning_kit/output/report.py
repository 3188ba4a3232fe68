"""Notebook to self-contained HTML: for whoever reads results and opens no notebook."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from planning_kit.messages import DataError
from planning_kit.plan import bundled, write_atomically

HIDDEN_TAGS = frozenset(
    {"parameters", "injected-parameters", "papermill-error-cell-tag", "remove-cell", "hide-cell"}
)

_PICTURES = ("image/svg+xml", "image/png", "image/jpeg")
_WORDS = ("text/html", "text/markdown", "text/plain")
_WIDGET = "application/vnd.jupyter.widget-view+json"
_WIDGET_NOTE = "*Controls to try other numbers are in the notebook; a report does not have them.*"

_TAGS = frozenset(
    "a abbr b blockquote br caption code col colgroup dd del details div dl dt em figcaption "
    "figure h1 h2 h3 h4 h5 h6 hr i img kbd li mark ol p pre s section small span strong sub "
    "summary sup table tbody td tfoot th thead tr u ul var".split()
)
_ATTRIBUTES = frozenset(
    "alt aria-label class colspan height href id lang open role rowspan scope span src start "
    "style title width".split()
)
# None of these can hold the address of a file.
_STYLES = frozenset(
    "background-color border border-bottom border-left border-radius border-right border-top color "
    "display flex flex-wrap font-size font-style font-variant-numeric font-weight height "
    "margin max-width min-width opacity padding text-align text-decoration vertical-align "
    "white-space width".split()
)
_SAFE_LINK = re.compile(r"(https?://|mailto:|#)", re.I)
_SIBLING = re.compile(r"(?:\./)?([\w-]+)\.ipynb(#.*)?$")
_EMBEDDED = re.compile(r"data:image/(png|jpeg|gif|svg\+xml);base64,", re.I)
# What `planning_kit.output.shown` writes, letter by letter: nothing in it needs cleaning, which
# takes most of the time of a report. Any other markup does.
_TEXT = r"(?:[^<>&]|&(?:amp|lt|gt|quot|#x27);)*+"
_STYLE = r' style="text-align:(?:left|right)(?:;white-space:nowrap)?;padding:0\.25em 0\.75em"'
_CELL = rf"{_STYLE}>{_TEXT}"
_OWN_TABLE = re.compile(
    rf'<table class="dataframe">(?:<caption>{_TEXT}</caption>)?'
    rf"<thead><tr>(?:<th{_CELL}</th>)*+</tr></thead>"
    rf'<tbody>(?:<tr>(?:<td{_CELL}</td>|<td colspan="\d+">no rows</td>)*+</tr>)*+</tbody></table>'
    rf"(?:<p><small>{_TEXT}</small></p>)?"
)
_OWN_CELL = re.compile(rf"<(t[hd])(?={_STYLE}>)([^>]*)>([^<]*)")
_PICTURE = re.compile(r'<img alt="[^"<>]*" src="data:image/[a-z+]+;base64,[A-Za-z0-9+/=]*">')
_PLACE = re.compile(r"<kept-part>(\d+)</kept-part>")  # cleaned markup cannot hold this tag
_STYLE_BLOCK = re.compile(r"<style[^>]*>(.*?)</style\s*>", re.S | re.I)
_STYLER_RULE = re.compile(r"([^{}@<\\]*)\{([^{}]*)\}")
_NUMBER = re.compile(
    r"[+−-]?\(?([A-Z]{3}\s|[€$£¥]\s?)?[+−-]?\d[\d\s.,'’]*(e[+-]?\d+)?"
    r"(\s?(%|pp|[kKM]|[A-Z]{3}|[€$£¥]))?\)?"
)
_NOTHING = frozenset({"", "NaN", "nan", "NaT", "<NA>", "None"})
_NOT_A_NOTEBOOK = (ValueError, TypeError, AttributeError, KeyError)  # as nbformat says it
_FRAME = {"class": "scroll", "role": "region", "tabindex": "0", "aria-label": "Table"}
_CONTENTS_FROM = 3  # sections; a shorter page shows its sections by itself
_SHORT = 36  # characters of a text that may not break, so that codes and names stay whole


def export_html(
    notebook_path: str | Path, html_path: str | Path, *, title: str | None = None
) -> Path:
    """Write a notebook as one HTML file that needs nothing but itself.

    Code, prompts and the parameters cell are left out. Charts become drawings with their text
    alternative, also where the notebook holds no picture of them; columns of numbers stand to
    the right; an empty number shows as "–". What data may contain (a name with ``<`` or
    ``&``, a script, a picture from elsewhere) stays text or is dropped: no script runs and
    nothing is fetched. The same notebook gives the same bytes.

    Parameters
    ----------
    notebook_path
        An executed notebook; a failed one shows where it stopped.
    html_path
        The file to write; its folder is made. It is there whole or not at all.
    title
        Title of the page; without it the title in the notebook's metadata, its first heading,
        or its file name.

    Returns
    -------
    The path written.

    Raises
    ------
    DataError
        The notebook is missing or is not a notebook.
    """
    notebook_path, html_path = Path(notebook_path), Path(html_path)
    notebook = _read_notebook(notebook_path)
    notebook.cells = [cell for cell in notebook.cells if not _is_hidden(cell)]
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "data" in output:
                output.data = _one_type(output.data)
    heading = _first_heading(notebook.cells)
    resources = {
        "language_code": "en",
        "title": title or notebook.metadata.get("title") or heading or notebook_path.stem,
        "has_heading": heading is not None,
        "stopped": _has_error(notebook.cells),
        "made_from": notebook_path.name,
        "metadata": {"path": str(notebook_path.parent)},
    }
    write_atomically(html_path, _finish(_render(notebook, resources)))
    return html_path


def without_widgets(notebook: str) -> str:
    """Take the widgets out of an executed notebook that have a table to stand for them.

    Their state is not kept, and JupyterLab would show "model not found" in place of the table.
    """
    import nbformat

    if _WIDGET not in notebook:
        return notebook
    content = nbformat.reads(notebook, as_version=4)
    for cell in content.cells:
        for output in cell.get("outputs", []):
            if "text/html" in output.get("data", {}):
                output.data.pop(_WIDGET, None)
    written: str = nbformat.writes(content)
    return written


def _read_notebook(path: Path) -> Any:
    import nbformat

    try:
        notebook = nbformat.read(path, as_version=4)
        if isinstance(notebook.cells, list):
            return notebook
        reason = "it has no cells"
    except FileNotFoundError:
        raise DataError(f"there is no notebook {str(path)!r}; run it first.") from None
    except _NOT_A_NOTEBOOK as error:
        reason = str(error).splitlines()[0][:200]
    raise DataError(f"{str(path)!r} is not a notebook: {reason}")


def _is_hidden(cell: Any) -> bool:
    return bool(HIDDEN_TAGS.intersection(cell.metadata.get("tags", [])))


def _has_error(cells: Iterable[Any]) -> bool:
    outputs = (output for cell in cells for output in cell.get("outputs", []))
    return any(output.output_type == "error" for output in outputs)


def _first_heading(cells: Iterable[Any]) -> str | None:
    for cell in cells:
        if cell.cell_type == "markdown":
            found = re.search(r"^#\s+(.+?)\s*#*$", cell.source, re.M)
            if found:
                return re.sub(r"[*_`]", "", found[1])
    return None


def _one_type(content: Any) -> dict[str, Any]:
    """Keep what a page can show best of an output, and its text alternative."""
    words = {"text/plain": content["text/plain"]} if "text/plain" in content else {}
    if str(words.get("text/plain", "")).startswith("<"):  # "<Figure size ...>" says nothing
        words = {"text/plain": "Picture"}
    spec = next((v for k, v in content.items() if k.startswith("application/vnd.vegalite.")), None)
    if spec is not None:
        return _drawing(spec) or _picture_or_words(content, words)
    if _WIDGET in content and "text/html" not in content:
        return {"text/markdown": _WIDGET_NOTE}
    return _picture_or_words(content, words)


def _drawing(spec: dict[str, Any]) -> dict[str, Any] | None:
    # A drawing is sharp on paper, a fifth of the size of a picture, and a batch keeps no picture.
    from planning_kit.output.charts.renderer import chart_svg, text_alternative

    try:
        return {"image/svg+xml": chart_svg(spec), "text/plain": text_alternative(spec)}
    except ValueError:  # vl-convert cannot draw it; the picture or the words remain
        return None


def _picture_or_words(content: Any, words: dict[str, Any]) -> dict[str, Any]:
    for kind in _PICTURES:
        if kind in content:
            return {kind: content[kind], **words}
    for kind in _WORDS:
        if kind in content:
            return {kind: content[kind]}
    return words


def _render(notebook: Any, resources: dict[str, Any]) -> str:
    from nbconvert.exporters import TemplateExporter

    # What HTMLExporter adds to a page is for code cells, which a report does not show, and takes
    # as long as the page itself.
    page, _ = TemplateExporter.from_notebook_node(_exporter(), notebook, resources)
    return str(page)


@lru_cache(maxsize=1)  # it keeps the compiled template
def _exporter() -> Any:
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(
        template_name="report",
        extra_template_basedirs=[str(bundled("templates"))],
        anchor_link_text="#",  # an empty one would swallow the text behind it; see _finish
        embed_images=True,
        default_preprocessors=[],  # they prepare code cells, and check the notebook after each
    )
    exporter.register_filter("clean_html", clean_html)
    return exporter


def clean_html(markup: str) -> str:
    """Keep of some HTML what a page may hold; show the rest as the text it is.

    No script, form or frame, no file from elsewhere; links may lead out, and a link to a
    notebook beside this one leads to its report. Colours of a pandas Styler are kept.

    Examples
    --------
    >>> clean_html("<b>North</b><script>alert(1)</script>")
    '<b>North</b>&lt;script&gt;alert(1)&lt;/script&gt;'
    >>> clean_html('<img src="https://example.org/a.png">Smith & Co')
    '<img>Smith &amp; Co'
    """
    if _OWN_TABLE.fullmatch(markup):
        return markup
    rules: list[str] = []

    def keep_rules(block: re.Match[str]) -> str:
        rules.extend(_styler_rules(block[1]))
        return ""

    markup = _STYLE_BLOCK.sub(keep_rules, markup)
    style = f"<style>{''.join(rules)}</style>" if rules else ""
    return style + _cleaner()(markup)


def _styler_rules(block: str) -> Iterable[str]:
    # A Styler names its cells by ids that begin with T_; other rules would restyle the page.
    for selectors, declarations in _STYLER_RULE.findall(block):
        names = [name.strip() for name in selectors.split(",")]
        if all(re.fullmatch(r"#T_\w+[\w\s.#:-]*", name) for name in names):
            kept = _css_cleaner().sanitize_css(declarations).replace("<", "")
            yield f"{','.join(names)}{{{kept}}}"


@lru_cache(maxsize=1)
def _css_cleaner() -> Any:
    from bleach.css_sanitizer import CSSSanitizer

    return CSSSanitizer(allowed_css_properties=_STYLES, allowed_svg_properties=[])


def _cleaner() -> Callable[[str], str]:
    from bleach.sanitizer import Cleaner

    cleaner = Cleaner(
        tags=_TAGS,
        attributes=_is_allowed,
        protocols=frozenset({"http", "https", "mailto", "data"}),
        css_sanitizer=_css_cleaner(),
    )
    clean: Callable[[str], str] = cleaner.clean
    return clean


def _is_allowed(tag: str, name: str, value: str) -> bool:
    if name == "src":
        return tag == "img" and bool(_EMBEDDED.match(value))
    if name == "href":
        return tag == "a" and bool(_SAFE_LINK.match(value) or _SIBLING.match(value))
    return name in _ATTRIBUTES


def _finish(page: str) -> str:
    """Do what needs the whole page: tables, list of contents, links between reports."""
    from bs4 import BeautifulSoup

    # Most of a page is tables and drawings of the kit, which need no parsing.
    parts: list[str] = []

    def keep(part: str) -> str:
        parts.append(part)
        return f"<kept-part>{len(parts) - 1}</kept-part>"

    page = _OWN_TABLE.sub(lambda found: keep(_framed(found[0])), page)
    page = _PICTURE.sub(lambda found: keep(found[0]), page)
    soup = BeautifulSoup(page, "html.parser")
    for link in soup.select("a.anchor-link"):  # headings keep their ids
        link.decompose()
    for link in soup.select("a[href]"):
        sibling = _SIBLING.match(str(link["href"]))
        if sibling:
            link["href"] = f"{sibling[1]}.html{sibling[2] or ''}"
    for image in soup.select("img:not([src])"):
        image.replace_with("[a picture from elsewhere is left out]")
    for image in soup.select("img:not([alt])"):
        image["alt"] = "Picture"
    for table in soup.select("table"):
        _tidy_table(table)
        if table.find_parent("table") is None:
            table.wrap(soup.new_tag("div", attrs=_FRAME))
    _add_contents(soup)
    return _PLACE.sub(lambda place: parts[int(place[1])], str(soup).strip()) + "\n"


def _framed(table: str) -> str:
    """Do for a table of the kit what `_tidy_table` does for any other."""

    def with_class(cell: re.Match[str]) -> str:
        tag, style, text = cell.groups()
        if "text-align:right" in style:
            names = "number nothing" if text == "–" else "number"
        elif tag == "td":
            names = "short" if len(html.unescape(text)) <= _SHORT else "long"
        else:
            return cell[0]
        return f'<{tag} class="{names}"{style}>{text}'

    width = table.count("<th ")
    end = table.index("</table>") + len("</table>")
    content = _OWN_CELL.sub(with_class, table[:end])
    content = content.replace("<table ", f'<table style="--columns:{width + 1}" ', 1)
    names = " ".join(f'{name}="{value}"' for name, value in _FRAME.items())
    return f"<div {names}>{content}</div>{table[end:]}"


def _tidy_table(table: Any) -> None:
    """Put columns of numbers to the right, their headings too; mark cells without a value."""
    rows = [row.find_all("td", recursive=False) for row in table.select("tbody > tr")]
    width = max(map(len, rows), default=0)
    heads = [row.find_all("th", recursive=False) for row in table.select("thead > tr")]
    names = [head for head in heads if not any(th.has_attr("colspan") for th in head)]
    table["style"] = f"--columns:{max(width + 1, *map(len, heads), 1)}"  # the size of its print
    for place in range(1, width + 1):  # from the right: at the left stand the row labels
        cells = [
            row[-place] for row in rows if len(row) >= place and not row[-place].has_attr("colspan")
        ]
        texts = [cell.get_text().strip() for cell in cells]
        filled = [text for text in texts if text not in _NOTHING]
        if not filled or not all(map(_NUMBER.fullmatch, filled)):
            for cell, text in zip(cells, texts, strict=True):
                _add_class(cell, "short" if len(text) <= _SHORT else "long")
            continue
        for cell, text in zip(cells, texts, strict=True):
            _add_class(cell, "number")
            if text in _NOTHING:
                cell.string = "–"
                _add_class(cell, "nothing")
        for head in names:
            if len(head) >= width:
                _add_class(head[-place], "number")


def _add_class(tag: Any, name: str) -> None:
    tag["class"] = [*tag.get_attribute_list("class", []), name]


def _add_contents(soup: Any) -> None:
    sections = soup.select("main h2[id]")
    if len(sections) < _CONTENTS_FROM:
        return
    nav = soup.new_tag("nav", attrs={"aria-label": "Contents"})
    # Folded: the first screen belongs to what the page found.
    fold, label, entries = (soup.new_tag(name) for name in ("details", "summary", "ol"))
    label.string = f"On this page: {len(sections)} sections"
    for section in sections:
        entry, link = soup.new_tag("li"), soup.new_tag("a", href=f"#{section['id']}")
        link.string = section.get_text().strip()
        entry.append(link)
        entries.append(entry)
    fold.extend([label, entries])
    nav.append(fold)
    sections[0].find_parent(["section", "main"]).insert_before(nav)
