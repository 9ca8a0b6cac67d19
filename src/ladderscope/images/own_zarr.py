"""What Ladderscope notes in an OME-Zarr that it writes, and which of them are its own."""

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ladderscope.images.acquisition import Acquisition, Objective

KEY = "ladderscope"
_FILE, _MOST_TEXT = "zarr.json", 2**24


def own_notes(path: Path) -> dict[str, Any]:
    """Read what Ladderscope has noted in an OME-Zarr.

    Parameters
    ----------
    path
        Any path.

    Returns
    -------
    dict
        Empty if it is no OME-Zarr that Ladderscope wrote. ``software`` is always in it, and
        ``description``, ``date`` and ``objective`` where there are any.

    Examples
    --------
    >>> own_notes(Path("no such folder"))
    {}
    """
    try:
        file = path / _FILE
        if file.stat().st_size > _MOST_TEXT:
            return {}
        notes = json.loads(file.read_bytes())["attributes"][KEY]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return notes if isinstance(notes, dict) and isinstance(notes.get("software"), str) else {}


def with_own_notes(acquisition: Acquisition, path: Path) -> Acquisition:
    """Add the date and the objective that Ladderscope has noted in an OME-Zarr.

    Parameters
    ----------
    acquisition
        What the rest of its metadata says.
    path
        Its folder; of any other, nothing is known.

    Examples
    --------
    >>> with_own_notes(Acquisition(slice_spacing=0.5), Path("no such folder")).date is None
    True
    """
    notes = own_notes(path)
    try:
        date = datetime.fromisoformat(notes["date"]) if "date" in notes else None
        objective = Objective(**notes["objective"]) if "objective" in notes else None
    except (TypeError, ValueError):
        return acquisition
    return replace(acquisition, date=date, objective=objective)


def kept_for(path: Path) -> str:
    """Say why a folder must not be replaced; empty if it is an OME-Zarr of ours and nothing else.

    Parameters
    ----------
    path
        Something that exists.

    Examples
    --------
    >>> kept_for(Path("src"))
    'is not an OME-Zarr written by Ladderscope'
    """
    if path.is_symlink() or not own_notes(path):
        return "is not an OME-Zarr written by Ladderscope"
    levels = {one.name for one in path.iterdir() if one.name.isdecimal() and one.is_dir()}
    others = {one.name for one in path.iterdir()} - levels - {_FILE}
    return f"contains {min(others)}, which Ladderscope did not write" if others else ""
