"""The program that a job runs: training, generation and serving, driven by a run directory alone.

This root imports nothing.
"""
