"""Where jobs run. One Protocol in `base`, one package per place; this root imports nothing."""
