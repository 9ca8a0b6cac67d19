"""Ladderscope restores fluorescence-microscopy images with ladder variational autoencoders.

The public names are loaded when they are first touched, so ``import ladderscope`` is instant
and ``import ladderscope.losses`` brings the loss library alone.

Examples
--------
>>> import ladderscope
>>> sorted(ladderscope.__all__)
['Denoiser', 'LadderscopeError', 'Restoration', '__version__', 'load']
"""

from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ladderscope.errors import LadderscopeError
    from ladderscope.restorers import Denoiser, Restoration, load

_HOME = {
    "Denoiser": "ladderscope.restorers",
    "LadderscopeError": "ladderscope.errors",
    "Restoration": "ladderscope.restorers",
    "load": "ladderscope.restorers",
}

__version__ = metadata.version("ladderscope")
__all__ = ["Denoiser", "LadderscopeError", "Restoration", "__version__", "load"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ladderscope' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
