"""Seedling: the small bundled base model, the text it learned from and the command that makes it.

No weights of others and no public data rows belong here; all text comes from the grammar in this package.
"""
