"""The larger commands of `refault`, one module each."""
