"""Hostile input, one module for each class of it."""
