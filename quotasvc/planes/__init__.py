"""The use cases, in order: what happens between a question and its answer. No transport here."""
