"""Training a few new weights on a base model that stays as it is."""
