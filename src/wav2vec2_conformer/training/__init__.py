"""Training of the models on transformers' `Trainer`."""
