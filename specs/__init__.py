"""The vocabulary every other folder shares: the user's spec, the resolved plan and the run contract.

Only pydantic and ruamel.yaml may be imported here, and nothing is imported by this root, so that a program which
needs one contract pays for one contract.
"""
