"""The root of every exception that Ladderscope raises on purpose."""


class LadderscopeError(ValueError):
    """Bad input, explained: what was found, what was expected, what to do.

    The command line prints the message without a traceback and exits non-zero.
    """
