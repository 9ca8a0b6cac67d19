"""Text out of files, made fit to be shown or stored."""

import unicodedata

# Control characters, halves of characters, separators of lines, and what is no character at all.
_HARMFUL = {"Cc", "Cs", "Zl", "Zp", "Cn"}
_REORDERING = {*"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"}


def harmless(text: str, *, lines: bool = False) -> str:
    r"""Replace what would steer a terminal or cannot be written to a file.

    Parameters
    ----------
    text : str
        A name or a message.
    lines : bool
        Whether it may have several lines, as a message may and a name may not.

    Returns
    -------
    str
        As long as the text. Line breaks and tabs are spaces; other control characters, signs that
        change the direction of writing, and undecodable bytes are U+FFFD.

    Examples
    --------
    >>> harmless("a\u202eb\x1b[1m \udcff.tif")
    'a�b�[1m �.tif'
    """
    if text.isprintable():
        return text
    kept = {*"\n\t"} if lines else set()
    return "".join(
        sign if sign in kept or _is_harmless(sign) else " " if sign.isspace() else "\ufffd"
        for sign in text
    )


def _is_harmless(sign: str) -> bool:
    return unicodedata.category(sign) not in _HARMFUL and sign not in _REORDERING
