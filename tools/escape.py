"""Shows outside text (data rows, model output, file names) so that it cannot draw on the terminal.

Every place that shows text which Tailor did not write goes through here.
"""

import unicodedata

_KEPT = {"\n", "\t"}
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def visible(text: str, limit: int = 400) -> str:
    """Return `text` with control, ANSI, bidi, zero-width and unassigned characters as escapes.

    The text is cut to `limit` characters; the cut is marked with the number of characters left out.
    """
    shown = "".join(_show(character) for character in text[:limit])
    left_out = len(text) - limit
    return f"{shown}… ({left_out} more characters)" if left_out > 0 else shown


def one_line(text: str, limit: int = 120) -> str:
    """Return `visible` text with line breaks and tabs as escapes too."""
    return visible(text, limit).replace("\n", "\\n").replace("\t", "\\t")


def _show(character: str) -> str:
    if character in _KEPT or unicodedata.category(character) not in _HIDDEN:
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
