"""Measures answers against the wanted ones: scorers, intervals, paired comparison, report, and the two step handlers.

Generating answers is the trainer's work; nothing here loads a model.
"""
