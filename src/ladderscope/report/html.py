"""The pieces of a page, as markup that holds everything and fetches nothing."""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape as escape_markup
from importlib.resources import files

from ladderscope.harmless import harmless

_HERE = files("ladderscope.report")
STYLE = _HERE.joinpath("style.css").read_text("utf-8")
SCRIPT = _HERE.joinpath("viewer.js").read_text("utf-8")


def document(title: str, parts: Iterable[str]) -> str:
    """Put a whole page together from its parts, the empty ones left out.

    The page states a policy that a browser enforces: nothing is fetched, and no script runs but
    `SCRIPT`.
    """
    body = "\n".join(part for part in parts if part)
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>\n"
        f"<h1>{escape(title)}</h1>\n{body}\n<script>{SCRIPT}</script></body></html>\n"
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
    """Write a table, with a heading if one is given; on a narrow screen it is put before cells."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heading)
    names = [f' data-heading="{escape(cell)}"' for cell in heading]
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{name}>{escape(cell)}</td>"
            for cell, name in zip(row, names or [""] * len(row), strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f"<table>{f'<thead><tr>{head}</tr></thead>' if head else ''}<tbody>{body}</tbody></table>"
    )


def folded(title: str, markup: str) -> str:
    """Fold markup up under a title, for readers who want to know more."""
    return f"<details><summary>{escape(title)}</summary>{markup}</details>"


def picture(png: bytes, alternative: str) -> str:
    """Embed a PNG, and say what it shows to those who do not see it."""
    return f'<img class="picture" src="{_embedded(png, "png")}" alt="{escape(alternative)}">'


def still(png: bytes, moving: str) -> str:
    """Put a still picture in place of a moving one for readers who asked for less motion."""
    source = f'<source media="(prefers-reduced-motion: reduce)" srcset="{_embedded(png, "png")}">'
    return f"<picture>{source}{moving}</picture>"


def chart(svg: bytes, caption: str) -> str:
    """Embed an SVG; its caption is read out, not shown."""
    return f'<img class="chart" src="{_embedded(svg, "svg+xml")}" alt="{escape(caption)}">'


def _embedded(image: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"
