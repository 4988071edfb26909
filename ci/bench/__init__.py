"""Measurements: what sharing saves, what detectors cost, what start-up takes."""
