"""The report and the model card of a training run, both functions of its folder alone."""
