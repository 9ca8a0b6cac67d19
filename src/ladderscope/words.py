"""Lists and counts as a sentence needs them."""

from collections.abc import Sequence


def counted(number: int, noun: str, plural: str = "s") -> str:
    """Put a number before its noun, which may have a plural ending of its own.

    Examples
    --------
    >>> counted(1, "image"), counted(3, "image"), counted(2, "batch", "es")
    ('1 image', '3 images', '2 batches')
    """
    return f"{number} {noun}{'' if number == 1 else plural}"


def listed(names: Sequence[object], last: str = "and") -> str:
    """List all names, with a word before the last.

    Examples
    --------
    >>> listed(["nuclei", "actin", "tubulin"]), listed([".tif", ".tiff"], "or")
    ('nuclei, actin and tubulin', '.tif or .tiff')
    """
    *others, end = map(str, names)
    return f"{', '.join(others)} {last} {end}" if others else end


def some(names: Sequence[object], most: int = 5) -> str:
    """List the first names, and say how many more there are.

    Examples
    --------
    >>> some("abcdefg", 3)
    'a, b, c and 4 more'
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(str, names[:most])) + more
