"""Rigs for hybrid sliding-window models on upstream's Triton back end."""
