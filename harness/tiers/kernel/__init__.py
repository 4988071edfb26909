"""The kernel tier: the real upstream function, called in the arm's own process."""
