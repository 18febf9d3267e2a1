"""The local OpenAI-compatible server: loading, decoding and the HTTP surface. `trainer.serve` runs it.

This root imports nothing.
"""
