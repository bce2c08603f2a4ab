"""Log-probabilities to hypotheses. Knows neither model nor tokenizer, only numpy."""
