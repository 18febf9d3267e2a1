"""Every capability, each a plain function: data, plans, jobs, evaluation, serving, models.

This root imports nothing.
"""
