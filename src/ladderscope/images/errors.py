"""What can go wrong with an image on its way in and on its way out."""

from ladderscope.errors import LadderscopeError


class ImageError(LadderscopeError):
    """An image that cannot be used: which one, what was found, what to do."""


class OutputError(LadderscopeError):
    """A file that cannot be written: which one, why, and what is left of it."""
