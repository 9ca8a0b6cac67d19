"""Rules of the code that no linter knows: short files, and imports where one sees them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "ladderscope"
FILES = sorted(SOURCE.rglob("*.py"))
LONGEST = 400

# Names that are loaded when they are first touched; the command line, which starts without torch.
LAZY = {"__init__.py", "noise/__init__.py"}
LAZY_ROOMS = {"cli"}


def named(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def test_there_are_files_to_look_at():
    assert len(FILES) > 100


def test_no_file_is_too_long():
    lengths = {named(path): len(path.read_text("utf-8").splitlines()) for path in FILES}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("import ladderscope.images", []),
        ("def f():\n    import torch", []),
        ("def f():\n    from ladderscope.images import Image", [2]),
        ("class A:\n    def f(self):\n        if self:\n            import ladderscope.noise", [4]),
        ("def f():\n    from .images import Image", [2]),
        ("if TYPE_CHECKING:\n    from ladderscope.images import Image", []),
    ],
)
def test_an_import_of_ours_inside_a_function_is_found(source, lines):
    assert list(hidden_imports(source)) == lines


def test_no_import_of_ours_hides_inside_a_function():
    hidden = {
        name: lines
        for path in FILES
        if (name := named(path)) not in LAZY
        and name.split("/")[0] not in LAZY_ROOMS
        and (lines := list(hidden_imports(path.read_text("utf-8"))))
    }
    assert hidden == {}


def test_the_map_has_every_room_and_module():
    rooms = {path.name.removesuffix(".py") for path in SOURCE.iterdir() if path.suffix == ".py"}
    rooms |= {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    page = (SOURCE.parents[1] / "docs" / "architecture.md").read_text("utf-8")
    first_cells = re.findall(r"^\| (`.+?`) \|", page, flags=re.MULTILINE)
    named = {name for cell in first_cells for name in re.findall("`(.+?)`", cell)}
    assert named >= rooms - {"__init__"}


def hidden_imports(source: str) -> Iterator[int]:
    """Give the lines on which a function imports a module of ours."""
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (node.lineno for node in ast.walk(function) if is_ours(node))


def is_ours(node: ast.AST) -> bool:
    match node:
        case ast.Import(names=names):
            return any(one.name.partition(".")[0] == "ladderscope" for one in names)
        case ast.ImportFrom(module=module, level=level):
            return level > 0 or str(module).partition(".")[0] == "ladderscope"
    return False
