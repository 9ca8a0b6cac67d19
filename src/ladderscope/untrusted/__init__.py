"""Reading untrusted files: their claims are checked before anything acts on them."""

from ladderscope.untrusted.files import Zip, file_size, read_bytes
from ladderscope.untrusted.parsing import parse_json, read_yaml
from ladderscope.untrusted.words import InputError, problems_of, shortened, shown

__all__ = [
    "InputError",
    "Zip",
    "file_size",
    "parse_json",
    "problems_of",
    "read_bytes",
    "read_yaml",
    "shortened",
    "shown",
]
