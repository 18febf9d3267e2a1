"""The terminal's driver, for cases Textual does not know.

Stopped and continued from outside, without Ctrl+Z; bytes that are no UTF-8; pasted text that holds escape characters.
"""

from codecs import IncrementalDecoder, getincrementaldecoder
from typing import Any, cast

from textual.drivers import linux_driver

_PASTE_BEGINS, _PASTE_ENDS = "\x1b[200~", "\x1b[201~"


class KeyDecoder(IncrementalDecoder):
    """Decodes what a terminal sends.

    A byte that is no UTF-8 becomes the replacement character, where Textual's own decoder would end the program. An
    escape character in a bracketed paste is left out: Textual would take the paste to end there, and the rest for keys.
    """

    def __init__(self, errors: str = "replace") -> None:
        super().__init__(errors)
        self._utf8 = getincrementaldecoder("utf-8")(errors)
        self._seen = ""
        """The last characters outside a paste, as its first ones may have come in an earlier read."""
        self._held = ""
        """The last characters of a paste that may be the beginning of its end."""
        self._is_paste = False

    def decode(self, input: Any, final: bool = False) -> str:
        """Return the next characters."""
        text, told = self._held + self._utf8.decode(input, final), ""
        self._held = ""
        while text:
            part, text = self._pasted(text, final=final) if self._is_paste else self._typed(text)
            told += part
        return told

    def _typed(self, text: str) -> tuple[str, str]:
        """Return what comes before the text of a paste, and the rest."""
        whole = self._seen + text
        at = whole.find(_PASTE_BEGINS)
        self._is_paste = at >= 0
        end = at + len(_PASTE_BEGINS) - len(self._seen) if self._is_paste else len(text)
        self._seen = "" if self._is_paste else whole[1 - len(_PASTE_BEGINS) :]
        return text[:end], text[end:]

    def _pasted(self, text: str, *, final: bool) -> tuple[str, str]:
        """Return what belongs to a paste, its end with it, and the rest."""
        inside, end, rest = text.partition(_PASTE_ENDS)
        if end:
            self._is_paste = False
        elif not final:
            held = next((size for size in range(len(_PASTE_ENDS) - 1, 0, -1) if inside.endswith(_PASTE_ENDS[:size])), 0)
            inside, self._held = inside[: len(inside) - held], inside[len(inside) - held :]
        return inside.replace("\x1b", "") + end, rest


def _key_decoder(_encoding: str) -> type[KeyDecoder]:
    return KeyDecoder


cast("Any", linux_driver).getincrementaldecoder = _key_decoder
LinuxDriver = linux_driver.LinuxDriver


class SteadyDriver(LinuxDriver):
    """Enters the screen's modes anew when it is continued, and only once.

    Textual takes every SIGCONT for the end of its own suspension: it would start a second reader of keys and forget how
    the terminal was before.
    """

    def _sigcont_application(self, *_: Any) -> None:
        is_drawing = self._key_thread is not None and self._key_thread.is_alive()
        if self._auto_restart and is_drawing:
            self.suspend_application_mode()
            self._must_signal_resume = True
        base: Any = super()
        base._sigcont_application()
