"""The report of a model, and of a folder with restored images, from the files that there are."""

from collections.abc import Sequence
from pathlib import Path

from ladderscope.cli.earlier import kept_files, kept_image
from ladderscope.cli.naming import ENDINGS, Outputs, output_names, outputs_at
from ladderscope.cli.sentences import predicted, trained
from ladderscope.cli.summary import FAILURES, Failure, Restorer, failure_of
from ladderscope.cli.work import find
from ladderscope.errors import LadderscopeError
from ladderscope.files import stem
from ladderscope.images import is_one_image
from ladderscope.images.large import read_unless_large
from ladderscope.models import Splitter
from ladderscope.models.file import Model
from ladderscope.models.identity import digest_of_calibration, digest_of_model
from ladderscope.models.provenance import Provenance, provenance_of
from ladderscope.report import Report, RestoredImage, without_original
from ladderscope.report.page import SHOWN_IMAGES
from ladderscope.words import listed, some

_NAMES = [f"NAME_restored{ending}" for ending in ENDINGS.values()]


def of_model(restorer: Restorer, path: Path) -> Report:
    """Put together what a model alone can say."""
    return Report(path.name, trained(restorer), restorer.model, images=(), samples=0)


def restored_in(folder: Path) -> list[Path]:
    """List the restored images in a folder.

    Raises
    ------
    LadderscopeError
        There are none.
    """
    paths = sorted(path for name in _NAMES for path in folder.glob(name.replace("NAME", "*")))
    if not paths:
        raise LadderscopeError(
            f"{folder} contains no restored images ({listed(_NAMES, 'or')}): give a folder that "
            "“ladderscope denoise” or “ladderscope predict” has written, or a .ladder file"
        )
    return paths


def of_folder(
    restorer: Restorer, restored: Sequence[Path], originals: Sequence[str], axes: str | None
) -> Report:
    """Put together the report of restored images.

    Parameters
    ----------
    restorer
        The model that restored them.
    restored
        As `restored_in` lists them.
    originals
        The images that were restored; without them, each is looked for where it was then.
    axes
        Of the originals, if their files do not state them.
    """
    paths = find(originals) if originals else []
    given = dict(zip(output_names(paths), paths, strict=True))
    images: list[RestoredImage] = []
    failures: list[Failure] = []
    gone: list[str] = []
    samples = 0
    for path in restored:
        name = stem(path).removesuffix("_restored")
        outputs = outputs_at(path, split=isinstance(restorer, Splitter))
        try:
            known = _checked(restorer.model, path)
            original = given.get(name) or known.source
            if original is None or not is_one_image(original):
                gone.append(f"{path.name} (from {original or 'an unknown file'})")
                original = None
            shown = len(images) < SHOWN_IMAGES
            images.append(_described(restorer, outputs, original, known, axes, shown=shown))
        except FAILURES as error:
            failures.append(failure_of(path, error))
            continue
        samples = max(samples, known.samples)
    notices = [
        "This report was rebuilt from files: warnings given when these images were restored, and "
        "how long that took, are not repeated."
    ]
    if gone:
        notices.append(
            f"The noisy images of {some(gone)} were not found, so their pictures, posterior "
            "samples and checks of the residual are missing. To include them, name the images: "
            f"ladderscope report {restored[0].parent} IN..."
        )
    split = isinstance(restorer, Splitter)
    return Report(
        "Split images" if split else "Restored images",
        predicted(restorer, len(images), samples),
        restorer.model,
        tuple(images),
        tuple(failures),
        tuple(notices),
        samples,
    )


def _checked(model: Model, path: Path) -> Provenance:
    """Read how an image was restored, and check that it was done by the model that works so."""
    known = provenance_of(path)
    if known is None:
        raise LadderscopeError(
            f"{path.name}: the file does not say how it was restored. Restore the image again with "
            "“ladderscope predict”"
        )
    if known.model != digest_of_model(model):
        raise LadderscopeError(
            f"{path.name}: another model restored this image (its digest begins with "
            f"{known.model}). Name that model with --model"
        )
    if known.calibration not in (None, digest_of_calibration(model.calibration)):
        raise LadderscopeError(
            f"{path.name}: the error bars of the model were calibrated anew since this image was "
            "restored. Restore the image again with “ladderscope predict”"
        )
    return known


def _described(
    restorer: Restorer,
    outputs: Outputs,
    original: Path | None,
    known: Provenance,
    axes: str | None,
    *,
    shown: bool,
) -> RestoredImage:
    if original is not None:
        image = restorer.observed(read_unless_large(original, axes))
        return kept_image(restorer, image, outputs, known.samples, known.seed, shown=shown)[0]
    files = [path.name for path in outputs.files if path.exists()]
    return without_original(*kept_files(outputs), files=files, shown=shown)
