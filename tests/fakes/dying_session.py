"""A conversation whose process is killed at its Nth checkpoint: `python -m tests.fakes.dying_session PROJECT N WORDS`.

What the step before that checkpoint did is on the disk by then, the checkpoint itself is not.
"""

import os
import signal
import sys
import time
from pathlib import Path

from tests.fakes.conversation import Conversation


def main() -> int:
    """Say the words; return 0 if there were fewer checkpoints."""
    project, number, words = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    conversation = Conversation(project)
    if conversation.session.is_new:
        conversation.open()
    # the graph may work with a copy of the saver
    saver = type(conversation.saver)
    keep, left = saver.put, number

    def put(*arguments):
        nonlocal left
        left -= 1
        if left == 0:
            time.sleep(0.1)
            os.kill(os.getpid(), signal.SIGKILL)
        return keep(*arguments)

    saver.put = put
    list(conversation.session.send(words, "said-once"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
