"""The model classes of the specification. They alone read the configuration."""
