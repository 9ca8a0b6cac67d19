"""Check the built site: links lead somewhere, nothing is loaded from elsewhere, no name is missing.

python docs/site/check.py build/site
"""

import re
import sys
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from reference import places

LOADED = {"audio", "embed", "iframe", "img", "input", "script", "source", "track", "video"}
LOADED_LINKS = {"icon", "modulepreload", "preload", "stylesheet"}


class Page(HTMLParser):
    """What a page links to, what it loads, and the places on it that can be linked to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the addresses of an element, and its name."""
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag in LOADED and "src" in given:
            self.loads.add(given["src"])
        elif tag == "link" and LOADED_LINKS & set(given.get("rel", "").split()):
            self.loads.add(given["href"])
        elif tag == "a" and "href" in given:
            self.links.add(given["href"])


def problems(site: Path) -> Iterator[str]:
    """List what is wrong with a built site, a sentence each."""
    pages = {
        path.resolve(): Page(path)
        for path in sorted(site.rglob("*.html"))
        if "_static" not in path.parts
    }
    for path, page in pages.items():
        for address in sorted(page.links | page.loads):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                if address in page.loads and parts.scheme != "data":
                    yield f"{path.name} loads {address} from elsewhere"
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                yield f"{path.name} links to {address}, which is not there"
                continue
            anchors = pages[target].anchors if target in pages else set()
            if parts.fragment and target in pages and unquote(parts.fragment) not in anchors:
                yield f"{path.name} links to {address}, where nothing has that name"
    for style in site.rglob("*.css"):
        for address in re.findall(
            r"""(?:url\(|@import )["']?(https?:[^)"']*)""", style.read_text()
        ):
            yield f"{style.name} loads {address} from elsewhere"

    packed = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    known = {line.split(" ")[0] for line in zlib.decompress(packed).decode().splitlines()}
    for module, names in places().items():
        for name in names:
            if f"{module}.{name}" not in known:
                yield f"{module}.{name} is not in the reference"


if __name__ == "__main__":
    found = list(problems(Path(sys.argv[1])))
    sys.exit("\n".join(found) if found else 0)
