"""Whether the borders of tiles can be seen in a restoration."""

from ladderscope.evaluation.checks.check import Check, graded
from ladderscope.evaluation.seams import Seams
from ladderscope.words import percent, rounded

_CERTAIN = 1e-3  # the p-value of a finding
_AMBER, _RED = 0.02, 0.05  # of the contrast


def check_borders(found: Seams, contrast: float) -> Check:
    """Say whether pixels differ more across the borders of tiles than elsewhere.

    Parameters
    ----------
    found
        What `ladderscope.evaluation.seams` found in the restoration.
    contrast
        Its standard deviation, in grey levels.

    Examples
    --------
    >>> check_borders(Seams(1.3, 2.1, 0.0004, 6), contrast=20.0).light
    'red'
    >>> check_borders(Seams(1.3, 2.1, 0.02, 6), contrast=20.0).light
    'green'
    """
    share = found.step / contrast if contrast > 0 else 0.0
    light = graded(share, _AMBER, _RED) if found.p_value < _CERTAIN else "green"
    name = "borders of tiles"
    number = (
        f"Pixels across {found.borders} borders of tiles differ {found.ratio:.3g} times as much as "
        "elsewhere"
    )
    if light == "green":
        return Check(light, name, f"{number}.")
    return Check(
        light,
        name,
        f"{number}: the tiles can be seen as steps of {rounded(found.step)} grey levels "
        f"({percent(share)} of the contrast).",
        "Train with a wider overlap of the tiles (tile_margin), and measure nothing across their "
        "borders.",
    )
