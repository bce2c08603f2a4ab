"""Vocabularies, and the normalisation of text for training and scoring."""
