"""Ladderscope restores fluorescence-microscopy images with ladder variational autoencoders.

The public names are loaded when they are first touched, so ``import ladderscope`` is instant
and ``import ladderscope.losses`` brings the loss library alone.

Examples
--------
>>> import ladderscope
>>> print(*sorted(ladderscope.__all__))
Denoiser LadderscopeError Restoration Splitter __version__ fit_noise_model load measure_noise
"""

# Importing what is imported below for one name takes longer than all else here.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from ladderscope.errors import LadderscopeError
    from ladderscope.models import (
        Denoiser,
        Restoration,
        Splitter,
        fit_noise_model,
        measure_noise,
    )
    from ladderscope.models.load import load

    __version__: str

_HOME = {
    "Denoiser": "ladderscope.models",
    "LadderscopeError": "ladderscope.errors",
    "Restoration": "ladderscope.models",
    "Splitter": "ladderscope.models",
    "fit_noise_model": "ladderscope.models",
    "load": "ladderscope.models",
    "measure_noise": "ladderscope.models",
}

__all__ = [
    "Denoiser",
    "LadderscopeError",
    "Restoration",
    "Splitter",
    "__version__",
    "fit_noise_model",
    "load",
    "measure_noise",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("ladderscope")
    if name not in _HOME:
        raise AttributeError(f"module 'ladderscope' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
