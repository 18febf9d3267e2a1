"""The conversation, its engine process and the command line.

This root imports nothing.
"""
