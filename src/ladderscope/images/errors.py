"""What can go wrong with an image on its way in."""

from ladderscope.errors import LadderscopeError


class ImageError(LadderscopeError):
    """An image that cannot be used: which one, what was found, what to do."""
