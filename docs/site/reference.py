"""The pages of the API reference, written from `__all__` of the public modules.

An object is described in the first module of `MODULES` that lists it; the others refer to it.
"""

import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

# Every module with an `__all__`, in the order of the navigation, and for whom it is.
MODULES = {
    "ladderscope": "For everyone who restores images in Python: these names are usually enough.",
    "ladderscope.models": (
        "For scripts that choose settings, compare models, or look closer at a restoration."
    ),
    "ladderscope.noise": "For those who know their camera, or want to measure it.",
    "ladderscope.losses": "For those who train a ladder VAE of their own.",
    "ladderscope.images": "For scripts that read and write images as Ladderscope does.",
    "ladderscope.evaluation": "For those who know the truth, and want scores.",
    "ladderscope.evaluation.checks": "For those who ask whether a restoration can be used.",
    "ladderscope.inspection": "For those who ask whether images are suitable.",
    "ladderscope.report": "For programs that write a report of their own.",
    "ladderscope.interop.careamics": "For those who come from CAREamics, or go there.",
    "ladderscope.noise_estimation": "For developers of fits of noise models.",
    "ladderscope.network": "For developers who use the ladder VAE itself.",
    "ladderscope.data": "For developers who need training patches.",
    "ladderscope.training": "For developers who write a training of their own.",
    "ladderscope.prediction": "For developers who predict tile by tile.",
    "ladderscope.untrusted": "For developers who read files from outside.",
    "ladderscope.cli": "For programs that start the command line from Python.",
}
# What is neither a class nor a function has no docstring of its own.
VALUES = {
    "ladderscope.__version__": "The version of Ladderscope, such as ``0.1.0``.",
    "ladderscope.models.PRESETS": "The presets by name, with their settings.",
    "ladderscope.images.SAMPLE_CREDIT": "Whom to credit for the sample images.",
    "ladderscope.images.Source": "What stands for one image: a path, an array, or an `Image`.",
    "ladderscope.images.Sources": "A path, pattern, folder, address, array, or a list of these.",
    "ladderscope.evaluation.checks.LIGHTS": "The lights, from the best to the worst.",
    "ladderscope.evaluation.checks.Light": "Green, amber or red, as a string.",
    "ladderscope.network.SINGLE_PASS": "The number of the variance head for a single pass.",
    "ladderscope.network.WITH_SAMPLES": "The number of the variance head for samples.",
    "ladderscope.training.UNTRAINED": "The outcome of a training that has not begun.",
    "ladderscope.prediction.Law": "Chooses the parts of a spread for a network and its channels.",
    "ladderscope.cli.app": "The commands, as an application of Typer.",
}
# Inherited members are shown up to these classes, which belong to others.
_OTHERS = "BaseModel, Exception, Module, NamedTuple, object, str, tuple"
_LEFT_OUT = "add_note, model_config, with_traceback"
_INDEX = """\
Python reference
================

For everyone who writes Python: every public name, with shapes, units, errors and an example. Most
scripts need only :doc:`ladderscope`. ``import ladderscope.losses`` loads PyTorch and no other part
of Ladderscope.

.. list-table::
   :header-rows: 1

   * - module
     - for whom
     - names
"""


def places() -> dict[str, dict[str, str]]:
    """Give the public names of each module, and the full name under which each is described."""
    first: dict[object, str] = {}
    found: dict[str, dict[str, str]] = {}
    for name in MODULES:
        module = import_module(name)
        found[name] = {}
        for public in module.__all__:
            value, full = getattr(module, public), f"{name}.{public}"
            has_name = inspect.isclass(value) or inspect.isroutine(value)
            found[name][public] = first.setdefault(value, full) if has_name else full
    return found


def _entry(module: str, public: str, value: object, home: str) -> Iterator[str]:
    name = f"{module}.{public}"
    if name != home:
        yield from (f".. py:data:: {public}", "", f"   The same as :py:obj:`{home}`.", "")
    elif inspect.isclass(value):
        yield from (f".. autoclass:: {name}", "   :members:", f"   :inherited-members: {_OTHERS}")
        yield f"   :exclude-members: {_LEFT_OUT}"
    elif inspect.isroutine(value):
        yield f".. autofunction:: {name}"
    else:
        yield from (f".. py:data:: {public}", "", f"   {VALUES[name]}")
    yield ""


def page(name: str, described: dict[str, str]) -> str:
    """Write the page of a module: its docstring, a table of its names, and each of them."""
    module = import_module(name)
    lines = [name, "=" * len(name), "", MODULES[name], "", f".. automodule:: {name}", ""]
    lines += [f".. currentmodule:: {name}", ""]
    own = [public for public, home in described.items() if home == f"{name}.{public}"]
    documented = [one for one in own if f"{name}.{one}" not in VALUES]
    if documented:
        lines += [
            ".. autosummary::",
            "   :nosignatures:",
            "",
            *(f"   {one}" for one in documented),
            "",
        ]
    for public in sorted(described, key=lambda one: (one not in own, one.lower())):
        lines += _entry(name, public, getattr(module, public), described[public])
    return "\n".join(lines)


def write_pages(folder: Path) -> None:
    """Write a page for each module, and one that lists them; unchanged ones are left alone."""
    found = places()
    pages = {name: page(name, described) for name, described in found.items()}
    pages["index"] = _INDEX + "".join(
        f"   * - :doc:`{name}`\n     - {MODULES[name]}\n     - {len(described)}\n"
        for name, described in found.items()
    )
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.rst"):
        if old.stem not in pages:
            old.unlink()
    for name, text in pages.items():
        path = folder / f"{name}.rst"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
