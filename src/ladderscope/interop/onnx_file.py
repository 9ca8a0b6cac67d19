"""A model as an ONNX file, which many programs can run without Ladderscope."""

import os
from functools import partial
from pathlib import Path

from ladderscope.files import whole_file
from ladderscope.interop.recorded import axes_of, one_pass_of, write_onnx
from ladderscope.models import Denoiser, Splitter
from ladderscope.models.file import Model
from ladderscope.models.interval_record import interval_record
from ladderscope.models.one_pass import OnePass
from ladderscope.names import ONNX


def export_onnx(
    restorer: Denoiser | Splitter, path: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write the one-pass restoration as an ONNX file: what ``predict(samples=0)`` computes.

    The file takes ``image``, float32 in camera units, of shape (batch, channels, [Z], Y, X) and of
    any size. It gives ``mean`` and, where the model predicts it, ``std``, the calibrated standard
    deviation. It restores what it is given in one piece; its metadata has the names of the
    channels and the widths of intervals.

    Parameters
    ----------
    restorer : Denoiser or Splitter
        Trained. One that averages repeated frames takes their average.
    path : path
        The file to write, such as ``"nuclei.onnx"``.
    overwrite : bool
        Whether an existing file is replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    LadderscopeError
        The restorer is not trained, has lateral context, or restores a plane from a stack.
    InteropError
        The package onnx is not installed.
    OutputError
        The file exists, or cannot be written.
    """
    path, one_pass = ONNX.file(path), one_pass_of(restorer)
    with whole_file(path, overwrite) as unfinished:
        write_onnx(one_pass, str(unfinished), about(restorer.model, one_pass))
    return path


def about(model: Model, one_pass: OnePass) -> dict[str, str]:
    """Say what a file made of a model computes, by name."""
    limits = [one_pass.get_buffer(name).flatten().tolist() for name in ("lowest", "highest")]
    facts = {
        "made by": f"Ladderscope {model.version}",
        "kind": model.kind,
        "axes": ", ".join(axes_of(one_pass)),
        "units": "grey levels, as recorded",
        "limits": "; ".join(f"{low:g} to {high:g}" for low, high in zip(*limits, strict=True)),
    }
    if model.channel_names:
        facts["channels"] = "; ".join(model.channel_names)
    if model.frames:
        facts["frames"] = f"the image is the average of {model.frames} frames"
    if one_pass.has_spread and model.calibration:
        facts["intervals"] = interval_record(
            [partial(one.multiplier, samples=0) for one in model.calibration]
        )
    return facts
