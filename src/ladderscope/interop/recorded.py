"""The one-pass restoration of a model, recorded for programs that do not have Ladderscope."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from ladderscope.interop.checkpoint import InteropError
from ladderscope.models import Denoiser, Splitter
from ladderscope.models.one_pass import OnePass

OPSET = 17  # of ONNX: onnxruntime 1.13, and what builds on it, can run it
INPUT, OUTPUTS = "image", ("mean", "std")


def one_pass_of(restorer: Denoiser | Splitter) -> OnePass:
    """Give the one-pass restoration of a trained denoiser or splitter.

    Raises
    ------
    LadderscopeError
        The restorer is not trained, or its network needs more than the image alone.
    """
    return OnePass(restorer.model).eval()


def example_for(one_pass: OnePass) -> Float[Tensor, "batch channels *space"]:
    """Make a small image to record the restoration with: of odd sizes, so that it is padded."""
    depth = (3,) * (one_pass.dimensions - 2)
    multiple = one_pass.multiple
    return torch.zeros(2, one_pass.channels, *depth, multiple - 1, 2 * multiple - 1)


def recorded(one_pass: OnePass) -> torch.jit.ScriptModule:
    """Record the restoration as TorchScript, for images of any size."""
    with _quiet():
        traced = torch.jit.trace(  # type: ignore[no-untyped-call]
            one_pass, example_for(one_pass), check_trace=False
        )
    return cast(torch.jit.ScriptModule, traced)


def write_onnx(one_pass: OnePass, path: str, about: dict[str, str]) -> None:
    """Record the restoration as ONNX, for images of any size.

    Parameters
    ----------
    one_pass
        The restoration.
    path
        The file to write.
    about
        What the file says about itself, by name.

    Raises
    ------
    InteropError
        The package onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise missing("ONNX files", error) from error
    axes = dict(enumerate(axes_of(one_pass)))
    del axes[1]  # the number of channels is fixed
    names = names_of(one_pass)
    with _quiet():
        torch.onnx.export(
            one_pass,
            (example_for(one_pass),),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[*names],
            dynamic_axes=dict.fromkeys((INPUT, *names), axes),
        )
    file = onnx.load(path)
    onnx.helper.set_model_props(file, about)
    onnx.checker.check_model(file)
    onnx.save(file, path)


def axes_of(one_pass: OnePass) -> tuple[str, ...]:
    """Name the axes of the image and of its restoration."""
    return ("batch", "channel", *"zyx"[-one_pass.dimensions :])


def names_of(one_pass: OnePass) -> tuple[str, ...]:
    """Name the outputs: the mean and, if it is predicted, the standard deviation."""
    return OUTPUTS[: 1 + one_pass.has_spread]


def missing(what: str, error: ImportError) -> InteropError:
    """Make the error for a package that is not installed."""
    return InteropError(
        f'{what} need more packages ({error}): run pip install "ladderscope[export]"'
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Record without gradients, and without remarks on how torch records."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
