"""Text out of files, made fit to be shown or stored."""

import unicodedata

_STEERING = {"Cc", "Cs", "Zl", "Zp"}
_REORDERING = {*"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"}


def harmless(text: str, *, lines: bool = False) -> str:
    r"""Make visible what would steer a terminal, and bytes of a file name that are no letters.

    Parameters
    ----------
    text : str
        A name or a message.
    lines : bool
        Whether it may have several lines, as a message may and a name may not.

    Returns
    -------
    str
        With control characters, signs that change the direction of writing, and undecodable bytes
        written as escapes.

    Examples
    --------
    >>> print(harmless("a\x1b[2J\udcff.tif"))
    a\x1b[2J\xff.tif
    """
    if text.isprintable():
        return text
    return "".join(
        sign if _is_harmless(sign) or (lines and sign in "\n\t") else _escaped(sign)
        for sign in text
    )


def readable(text: str) -> str:
    r"""Give a name as it can be shown and stored: one line, without control characters.

    These, and bytes that are no UTF-8 (in the name of a file out of an old archive), are replaced
    by the sign for it.

    Examples
    --------
    >>> readable("a\u202eb\x1b[1m \udcff.tif")
    'a�b�[1m �.tif'
    """
    return "".join(
        sign if sign.isprintable() else " " if sign.isspace() else "\ufffd" for sign in text
    )


def _is_harmless(sign: str) -> bool:
    return unicodedata.category(sign) not in _STEERING and sign not in _REORDERING


def _escaped(sign: str) -> str:
    code = ord(sign)
    if 0xDC80 <= code <= 0xDCFF:  # how Python holds a byte that it could not decode
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
