"""Serving trained models on this machine: deploy step, playground, stopping servers. This root imports nothing."""
