"""How to stand up a part of upstream for several reproducers; facts only, no verdicts."""
