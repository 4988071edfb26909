"""Inputs that mean harm, or that nobody meant: one module a class."""
