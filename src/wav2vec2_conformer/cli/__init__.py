"""The command line: `wav2vec2-conformer`, one file a command."""
