"""Hours of kills, bad files, and overwritten memory: nothing is left, and nothing surprises."""
