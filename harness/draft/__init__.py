"""From an upstream patch to the draft of a reproducer: facts, and a revert that is proven in a tree."""
