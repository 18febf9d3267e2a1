"""The terminal's driver, for a case Textual does not know: stopped and continued from outside, without Ctrl+Z."""

from typing import Any

from textual.drivers.linux_driver import LinuxDriver


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
