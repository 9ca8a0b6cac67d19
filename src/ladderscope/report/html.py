"""The pieces of a page, as markup that holds everything and fetches nothing."""

import base64
from collections.abc import Iterable, Sequence
from html import escape as escape_markup

from ladderscope.harmless import harmless

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1d2430; background: #fff;
       max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #d8dde5; }
h3 { margin: 1.5rem 0 .3rem; overflow-wrap: anywhere; }
.panels { display: grid; grid-template-columns: repeat(3, 1fr); gap: .5rem; }
figure { margin: 0; } figcaption { font-size: .85rem; color: #4a5464; }
.panels img { width: 100%; display: block; image-rendering: pixelated; }
.chart { max-width: 100%; } .quiet { color: #4a5464; font-size: .9rem; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .15rem 1.2rem .15rem 0;
        vertical-align: top; overflow-wrap: anywhere; }
td:first-child, th:first-child { min-width: 9rem; }
th { font-weight: 600; } .failed { color: #9c1c1c; }
"""


def document(title: str, parts: Iterable[str]) -> str:
    """Put a whole page together from its parts, the empty ones left out."""
    body = "\n".join(part for part in parts if part)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>\n"
        f"<h1>{escape(title)}</h1>\n{body}\n</body></html>\n"
    )


def escape(text: str) -> str:
    r"""Turn any text into one that a page can hold and that is no markup.

    Examples
    --------
    >>> escape("<b>\udcff")
    '&lt;b&gt;�'
    """
    return escape_markup(harmless(text))


def paragraph(text: str) -> str:
    """Write a paragraph."""
    return f"<p>{escape(text)}</p>"


def small_print(text: str) -> str:
    """Write a paragraph in smaller, greyer letters."""
    return f'<p class="quiet">{escape(text)}</p>'


def bullets(items: Iterable[str]) -> str:
    """Write a list."""
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"


def table(rows: Sequence[Sequence[str]], heading: Sequence[str] = ()) -> str:
    """Write a table, with a heading if one is given."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heading)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table>{f'<tr>{head}</tr>' if head else ''}{body}</table>"


def figure(png: bytes, caption: str) -> str:
    """Embed a PNG with its caption."""
    return (
        f'<figure><img src="{_embedded(png, "png")}" alt="{escape(caption)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def chart(svg: bytes, caption: str) -> str:
    """Embed an SVG; its caption is read out, not shown."""
    return f'<img class="chart" src="{_embedded(svg, "svg+xml")}" alt="{escape(caption)}">'


def _embedded(image: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"
