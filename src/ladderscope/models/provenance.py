"""Where a restored image comes from, as its file says: the model, the samples, and the original."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ladderscope.images.metadata import description_of

_RESTORED = "restored by Ladderscope"
_WRITTEN = re.compile(
    rf"{_RESTORED} \(model (?P<model>\w+), (?:calibration (?P<calibration>\w+), )?"
    r"(?P<samples>\d{1,7}) samples, "
    r"seed (?P<seed>\d{1,30})[^()]*\)(?: from (?P<source>.+))?",
    re.DOTALL,
)


@dataclass(frozen=True)
class Provenance:
    """Where a restored image comes from.

    Attributes
    ----------
    model : str
        The digest of the model.
    calibration : str, optional
        The digest of its calibration, if it had one and the file says so.
    samples, seed : int
        Of the posterior samples.
    source : Path, optional
        The original, as far as it is known; it may have been moved since.
    """

    model: str
    calibration: str | None
    samples: int
    seed: int
    source: Path | None


def provenance(how: str, source: str | os.PathLike[str] | None, restored: Path) -> str:
    """Write down where a restored image comes from.

    Parameters
    ----------
    how
        How it was restored; empty if that is not said.
    source
        The original, if it is a file.
    restored
        The file of the restored image, relative to which the original is named: the two may be
        moved together.

    Examples
    --------
    >>> provenance("model 1f, 2 samples, seed 0", "day1/a.tif", Path("out/a_restored.ome.tif"))
    'restored by Ladderscope (model 1f, 2 samples, seed 0) from ../day1/a.tif'
    """
    text = f"{_RESTORED} ({how})" if how else _RESTORED
    if source is None:
        return text
    original = Path(source).absolute()
    try:
        named = os.path.relpath(original, restored.absolute().parent)
    except ValueError:  # on another drive of Windows
        named = str(original)
    return f"{text} from {Path(named).as_posix()}"


def provenance_of(restored: Path) -> Provenance | None:
    """Read where a restored image comes from; None if its file does not say so.

    Parameters
    ----------
    restored
        Any file, such as one that `Restoration.save` has written.
    """
    found = _WRITTEN.search(description_of(restored))
    if found is None:
        return None
    source = found["source"]
    folder = restored.absolute().parent
    return Provenance(
        found["model"],
        found["calibration"],
        int(found["samples"]),
        int(found["seed"]),
        None if source is None else Path(os.path.normpath(folder / source.strip())),
    )
