"""Shows outside text (data rows, model output, file names) so that it cannot draw on the terminal.

Every place that shows text which Tailor did not write goes through here.
"""

import unicodedata

_KEPT = {"\n", "\t"}
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def visible(text: str, limit: int = 400) -> str:
    """Return `text` with control, ANSI, bidi, zero-width and unassigned characters as escapes.

    The text is cut to `limit` characters, unless what is left out is no longer than the mark that tells how much it is.
    """
    left_out = len(text) - limit
    mark = f"… ({left_out} more characters)"
    if left_out <= len(mark):
        return "".join(map(_show, text))
    return "".join(map(_show, text[:limit])) + mark


def one_line(text: str, limit: int = 120) -> str:
    """Return `visible` text with line breaks and tabs as escapes too."""
    return visible(text, limit).replace("\n", "\\n").replace("\t", "\\t")


def _show(character: str) -> str:
    if character in _KEPT or unicodedata.category(character) not in _HIDDEN:
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
