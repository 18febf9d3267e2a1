"""The train step and the reading of a training run's health. Training itself is the trainer's work."""
