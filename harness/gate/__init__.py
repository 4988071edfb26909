"""The release gate: what a policy requires, what results show, and the decision that follows."""
