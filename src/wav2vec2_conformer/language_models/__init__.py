"""N-gram language models: reading, scoring, building. Knows no acoustic model, only words."""
