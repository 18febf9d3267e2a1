"""The guide: a fixed interviewer without any model. It fills the spec from plain answers and says what it is.

Pure functions over messages; what it learns of the project it learns through the same tools as any other brain.
"""
