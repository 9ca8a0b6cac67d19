"""A model as a package of the BioImage Model Zoo, and our own packages read again."""

import os
import re
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from pydantic import ValidationError

from ladderscope.errors import LadderscopeError
from ladderscope.files import expanded, whole_file
from ladderscope.interop.checkpoint import InteropError, naming
from ladderscope.interop.onnx_file import about
from ladderscope.interop.recorded import (
    INPUT,
    OPSET,
    axes_of,
    missing,
    names_of,
    one_pass_of,
    recorded,
    write_onnx,
)
from ladderscope.interop.zoo_card import UNSAID, Card, citation_of, documentation_of, tags_of
from ladderscope.models import load
from ladderscope.models.config import MOST_PARAMETERS
from ladderscope.models.file import Model, read_model
from ladderscope.models.one_pass import OnePass
from ladderscope.names import MODEL, ZOO
from ladderscope.pictures import encoded, grey_range, scaled
from ladderscope.untrusted import Zip, problems_of, shown
from ladderscope.words import some

INSIDE = "model.ladder"  # the name of the model file in a package
_DESCRIPTIONS = ("rdf.yaml", "bioimageio.yaml", "model.yaml")
_MOST_MEMBERS, _MOST_BYTES = 1000, 4 * MOST_PARAMETERS + 100_000_000
_UNNAMED = re.compile(r"[^A-Za-z0-9_+\- ()]+")
_PICTURE = re.compile(rb"\x89PNG\r\n\x1a\n.{8}(.{4})(.{4})", re.DOTALL)


@dataclass(frozen=True)
class _Axis:
    """A spatial axis: which sizes it may have, and the border where tiles overlap."""

    letter: str
    least: int
    step: int
    halo: int
    micrometres: float | None


def export_bioimage(
    model_file: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    card: Card = UNSAID,
    overwrite: bool = False,
) -> Path:
    """Write a model as a package of the BioImage Model Zoo (format 0.5).

    It holds the one-pass restoration as ONNX and as TorchScript, with normalisation and padding
    inside; test tensors, a cover, a documentation, hints for tiles; and the model file itself,
    which `import_bioimage` gives back.

    Parameters
    ----------
    model_file : path
        A ``.ladder`` file.
    path : path
        The file to write, such as ``"nuclei.zip"``.
    card : Card
        What the zoo shows of the model beside what the model itself says.
    overwrite : bool
        Whether an existing file is replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    LadderscopeError
        The model has lateral context, or restores a plane from a stack.
    InteropError
        A package of the extra ``export`` is not installed, or the card is not accepted.
    OutputError
        The file exists, or cannot be written.
    """
    path, source = ZOO.file(path), Path(model_file)
    model = load(source, device="cpu")
    with naming(model_file):
        one_pass = one_pass_of(model)
    with whole_file(path, overwrite) as unfinished, tempfile.TemporaryDirectory() as folder:
        _write_parts(Path(folder), source, model.model, one_pass)
        try:
            from bioimageio.spec import save_bioimageio_package

            described = _described(Path(folder), source.stem, model.model, one_pass, card)
            save_bioimageio_package(described, output_path=unfinished)
        except ImportError as error:
            raise missing("packages of the BioImage Model Zoo", error) from error
        except ValidationError as error:
            raise InteropError(
                f"the BioImage Model Zoo does not accept this description: {problems_of(error)}"
            ) from error
    return path


def import_bioimage(
    path: str | os.PathLike[str], model_file: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Take the model file out of a package that `export_bioimage` wrote, byte for byte.

    Parameters
    ----------
    path : path
        The package, such as ``"nuclei.zip"``.
    model_file : path
        The ``.ladder`` file to write.
    overwrite : bool
        Whether an existing file is replaced.

    Returns
    -------
    Path
        The model file.

    Raises
    ------
    InteropError
        The package is missing, damaged, or not one of ours.
    OutputError
        The model file exists, or cannot be written.
    """
    path, model_file = expanded(path), MODEL.file(model_file)
    with naming(path), Zip(path, _MOST_MEMBERS) as package:
        if INSIDE not in package.sizes:
            raise InteropError(_not_ours(package))
        content = package.read(INSIDE, _MOST_BYTES)
    with whole_file(model_file, overwrite) as unfinished:
        unfinished.write_bytes(content)
        try:
            read_model(unfinished)
        except LadderscopeError as error:
            why = str(error).replace(str(unfinished), INSIDE)
            raise InteropError(f"{path}: cannot be imported: {why}") from error
    return model_file


def _not_ours(package: Zip) -> str:
    names = [shown(name) for name in package.sizes]
    described = next((name for name in _DESCRIPTIONS if name in package.sizes), None)
    if described is None:
        return (
            f"not a package of the BioImage Model Zoo: found {some(names)}, and no "
            f"{_DESCRIPTIONS[0]}"
        )
    found = re.search(
        r"^name: *(.+)$", package.start(described, 10_000).decode("utf-8", "replace"), re.M
    )
    return (
        f"holds the model {shown(found[1].strip()) if found else 'without a name'}, which "
        f"Ladderscope did not export: found {some(names)}, and no {INSIDE}. Run it with the "
        "software that its page in the BioImage Model Zoo names"
    )


def _write_parts(folder: Path, source: Path, model: Model, one_pass: OnePass) -> None:
    """Write what a package is made of."""
    (folder / INSIDE).write_bytes(source.read_bytes())
    facts = about(model, one_pass)
    write_onnx(one_pass, str(folder / "model.onnx"), facts)
    recorded(one_pass).save(str(folder / "model.pt"))
    image = _test_image(model, one_pass)
    with torch.no_grad():
        restored = [values.numpy() for values in one_pass(torch.from_numpy(image))]
    for name, values in zip((INPUT, *names_of(one_pass)), (image, *restored), strict=True):
        np.save(folder / f"{name}.npy", values)
    (folder / "cover.png").write_bytes(_cover(model, image, restored[0]))
    (folder / "README.md").write_text(documentation_of(model, facts), "utf-8")


def _described(folder: Path, stem: str, model: Model, one_pass: OnePass, card: Card) -> Any:
    from bioimageio.spec.model import v0_5 as zoo

    axes = _axes(model, one_pass)
    shown = model.channel_names or [f"channel {one + 1}" for one in range(one_pass.outputs)]
    observed = ["mixed image"] if one_pass.splits else shown

    def tensor(name: str, kind: Any, channels: Any, spatial: Any, text: str) -> Any:
        return kind(
            id=zoo.TensorId(name),
            description=text,
            axes=[
                zoo.BatchAxis(),
                zoo.ChannelAxis(channel_names=[*channels]),
                *(spatial(axis) for axis in axes),
            ],
            test_tensor=zoo.FileDescr(source=folder / f"{name}.npy"),
            data=zoo.IntervalOrRatioDataDescr(type="float32"),
        )

    def of_input(axis: _Axis) -> Any:
        size = zoo.ParameterizedSize(min=axis.least, step=axis.step)
        return zoo.SpaceInputAxis(id=zoo.AxisId(axis.letter), size=size, **_scale(axis))

    def of_output(axis: _Axis) -> Any:
        size = zoo.SizeReference(tensor_id=zoo.TensorId(INPUT), axis_id=zoo.AxisId(axis.letter))
        kind = zoo.SpaceOutputAxisWithHalo if axis.halo else zoo.SpaceOutputAxis
        halo = {"halo": axis.halo} if axis.halo else {}
        return kind(id=zoo.AxisId(axis.letter), size=size, **halo, **_scale(axis))

    texts = ("restored image, in grey levels", "error bar (standard deviation), in grey levels")
    return zoo.ModelDescr(
        name=(card.name or _UNNAMED.sub("-", f"Ladderscope {model.kind} {stem}")[:64]),
        description=card.description or f"{model.kind.capitalize()} trained with Ladderscope",
        authors=[zoo.Author(name=name) for name in card.authors],
        license=card.licence or None,
        tags=[*tags_of(model), *card.tags],
        cite=[zoo.CiteEntry(text=text, doi=zoo.Doi(doi)) for text, doi in citation_of(model)],
        documentation=zoo.FileDescr(source=folder / "README.md"),
        covers=[zoo.FileDescr(source=folder / "cover.png")],
        attachments=[zoo.FileDescr(source=folder / INSIDE)],
        timestamp=zoo.Datetime(datetime.fromisoformat(model.created)),
        inputs=[
            tensor(INPUT, zoo.InputTensorDescr, observed, of_input, "the image, in grey levels")
        ],
        outputs=[
            tensor(name, zoo.OutputTensorDescr, shown, of_output, text)
            for name, text in zip(names_of(one_pass), texts, strict=False)
        ],
        weights=zoo.WeightsDescr(
            onnx=zoo.OnnxWeightsDescr(source=folder / "model.onnx", opset_version=OPSET),
            torchscript=zoo.TorchscriptWeightsDescr(
                source=folder / "model.pt",
                parent="onnx",
                pytorch_version=zoo.Version(torch.__version__.partition("+")[0]),
            ),
        ),
    )


def _scale(axis: _Axis) -> dict[str, Any]:
    return {} if axis.micrometres is None else {"unit": "micrometer", "scale": axis.micrometres}


def _axes(model: Model, one_pass: OnePass) -> list[_Axis]:
    """Describe the spatial axes; tiles that begin at multiples keep the latents on one grid."""
    settings, step = model.settings, one_pass.multiple
    halo = -(-settings.tile_margin // step) * step
    height, width = model.pixel_size or (None, None)
    depth = settings.tile_depth_margin
    known = {
        "z": _Axis("z", 2 * depth + 1, 1, depth, model.slice_spacing),
        "y": _Axis("y", 2 * halo + step, step, halo, height),
        "x": _Axis("x", 2 * halo + step, step, halo, width),
    }
    return [known[letter] for letter in axes_of(one_pass)[2:]]


def _test_image(model: Model, one_pass: OnePass) -> Float32[np.ndarray, "one channels *space"]:
    """Draw waves and noise as bright and as strong as the training images."""
    space = tuple(axis.least for axis in _axes(model, one_pass))
    wave = np.sin(np.indices(space).sum(axis=0) / 6) + np.sin(np.indices(space)[-1] / 9)
    shape = (1, one_pass.channels, *space)
    pattern = 0.7 * wave + np.random.default_rng(0).normal(0, 0.3, shape)
    mean, std = (one_pass.get_buffer(name).numpy() for name in ("mean", "std"))
    image: Float32[np.ndarray, "one channels *space"] = (mean + std * pattern).astype(np.float32)
    return image


def _cover(
    model: Model, image: Float32[np.ndarray, "..."], restored: Float32[np.ndarray, "..."]
) -> bytes:
    """Take the thumbnail as the cover, if it is twice as wide as high; or the test image."""
    sides = _PICTURE.match(model.thumbnail or b"")
    if sides is not None:
        width, height = (int.from_bytes(side, "big") for side in sides.groups())
        if width == 2 * height:
            return model.thumbnail or b""
    planes = [values.reshape(-1, *values.shape[-2:])[0] for values in (image, restored)]
    return encoded(np.hstack([scaled(one, *grey_range(one)) for one in planes]), 0, 1)
