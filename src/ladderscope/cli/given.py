"""What options mean whose text has a form of its own."""

from ladderscope.errors import LadderscopeError
from ladderscope.models.output import Share, share_of


def share_in(part: str) -> Share:
    """Read which share of the work is meant.

    Raises
    ------
    LadderscopeError
        It is not written as ``K/N``, or there is no such share.

    Examples
    --------
    >>> print(share_in("2/8"))
    part 2 of 8
    """
    number, slash, count = part.partition("/")
    if not (slash and number.strip().isdecimal() and count.strip().isdecimal()):
        raise LadderscopeError(f"--part {part!r}: give K/N, such as --part 2/8")
    return share_of((int(number), int(count)))
