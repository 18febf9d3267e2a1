"""The real interface with quick jobs behind it: `python -m tests.fakes.quick_interface FOLDER [--brain NAME]`."""

import argparse
import sys
from pathlib import Path

from agent.tui.launch import Interface, run_interface
from tests.fakes.quick_engine import MODULE


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--brain", default=None)
    options = parser.parse_args()

    def make_app(folder: Path) -> Interface:
        from agent.tui.app import TailorApp
        from agent.tui.settings import InterfaceSettings

        return TailorApp(folder, brain=options.brain, module=MODULE, settings=InterfaceSettings())

    return run_interface(options.folder, app_factory=make_app)


if __name__ == "__main__":
    sys.exit(main())
