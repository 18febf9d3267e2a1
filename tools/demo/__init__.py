"""The example project: made-up customer messages of a bike rental, to try the whole road with.

Data only; the spec and the conversation are made by Tailor itself.
"""

from tools.demo.project import DemoProject, write_demo

__all__ = ["DemoProject", "write_demo"]
