"""Keys of a text field in the order they were pressed.

Textual carries out a widget's bindings only after the key went up to the app. Characters pressed right behind it are
in the text by then, so a burst, as a slow connection delivers it, would delete or overwrite the wrong ones.
"""

from typing import Any, cast

from textual import events
from textual.widgets import TextArea


async def acted_at_once(field: TextArea, event: events.Key) -> bool:
    """Carry out the field's own binding of a key now; return whether it had one that took the key."""
    app, own = cast(Any, field).app, cast(Any, field)._bindings.key_to_bindings.get(event.key, ())
    for binding in own:
        if not binding.priority and await app.run_action(binding.action, field):
            event.stop()
            event.prevent_default()
            return True
    return False
