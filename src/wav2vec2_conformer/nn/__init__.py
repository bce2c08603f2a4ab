"""The model's parts, one concept a file. They take plain values and know no configuration.

Attribute names are the keys of the released checkpoints; renaming one breaks loading.
"""
