"""How texts become tokens: readers that are fitted on training texts, and what they fit."""
