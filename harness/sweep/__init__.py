"""Walking a case's parameter space: where the bug bites, where it cannot, and what else is found."""
