"""The model classes, of the specification and its neighbours. They alone read the configuration."""
