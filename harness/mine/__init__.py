"""Changes between two releases, or of a line of commits, that look like fixes of this suite's kind."""
