"""Data: strict reading, profiles, cleaning, splits and immutable dataset versions. Imports nothing at the top."""
