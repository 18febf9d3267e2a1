"""Widgets: each draws one frozen view model and posts messages. None knows its parent or the engine."""
