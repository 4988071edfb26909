"""Rigs for upstream's aiter attention back end."""
