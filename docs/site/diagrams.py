"""Mermaid diagrams, drawn while the site is built: a reader's browser needs no script for them."""

import hashlib

import mermaidx
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class Diagram(SphinxDirective):
    """Draw the text of a ``mermaid`` block as SVG."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Give every drawing its own name, since styles on a page apply by name."""
        text = "\n".join(self.content)
        name = "diagram-" + hashlib.sha256(text.encode()).hexdigest()[:8]
        drawing = mermaidx.render(text).svg().replace("my-svg", name)
        return [nodes.raw("", f'<div class="diagram">{drawing}</div>', format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Let Sphinx know the block."""
    app.add_directive("mermaid", Diagram)
    return {"parallel_read_safe": True}
