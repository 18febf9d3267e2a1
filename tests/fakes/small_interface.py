"""A small app behind the real launcher, with a key for each thing that can go wrong: `python -m … FOLDER [early]`."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from agent.tui.launch import run_interface

SECRET = "hunter2" + "-in-a-local"


def make_app(folder: Path):
    if "early" in sys.argv:
        password = SECRET
        raise LookupError(f"no app today, {len(password)}")
    if "slow" in sys.argv:
        sys.stderr.write("\rstarting\r")
        Path(folder, "begun").touch()
        time.sleep(60)

    from textual.app import ComposeResult
    from textual.widgets import Label, TextArea

    from agent.tui.crash import CrashSafe

    class Field(TextArea):
        def key_f3(self) -> None:
            password = SECRET
            raise ValueError(f"handler broke [x] sk-abcdefghijklmnop1234 {len(password)}")

    class SmallInterface(CrashSafe[None]):
        log_path = folder / ".tailor" / "tailor.log"

        def compose(self) -> ComposeResult:
            if "unborn" in sys.argv:
                password = SECRET
                raise OSError(len(password), "no compose")
            yield Label("ready", markup=False)
            yield Field()

        def on_text_area_changed(self, event: TextArea.Changed) -> None:
            self.query_one(Label).update(f"typed {event.text_area.text}")

        def key_f2(self) -> None:
            self.run_worker(self._work, thread=True)

        def _work(self) -> None:
            password = SECRET
            raise KeyError(f"worker broke {len(password)}")

        def key_f4(self) -> None:
            os.write(1, b"NATIVE-ONE")
            os.write(2, b"NATIVE-TWO")
            print("PRINTED")
            subprocess.run(["sh", "-c", "echo FROM-CHILD; echo AND-ERRORS >&2; cat"], timeout=20)
            threading.Thread(target=lambda: 1 / 0).start()
            self.query_one(Label).update("written")

        def key_f5(self) -> None:
            password = SECRET
            self.is_strict = True
            raise RuntimeError(f"fatal thing {len(password)}")

        def key_f12(self) -> None:
            self.run_worker(lambda: time.sleep(60), thread=True)
            self.query_one(Label).update("waiting long")

        def key_f9(self) -> None:
            self.action_suspend_process()

        def key_f10(self) -> None:
            time.sleep(60)

        def key_f8(self) -> None:
            password = SECRET
            os.abort() if password else None

    return SmallInterface()


if __name__ == "__main__":
    sys.exit(run_interface(Path(sys.argv[1]), app_factory=make_app))
