"""View models: frozen, plain values that widgets draw. No Textual, no events of the engine, no files.

Text of others (rows, model output, file names, error messages) is escaped before it enters a view model.
"""
