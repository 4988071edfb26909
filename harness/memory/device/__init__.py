"""Fences in a device's memory: red zones that the device itself sweeps, and electric fences."""
