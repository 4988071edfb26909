"""What an arm showed: its records, how two are compared, how messages are normalised, how sure a rate is."""

from harness.observation.records import (
    Attestation,
    Either,
    Event,
    Exit,
    Fault,
    Module,
    Naming,
    Observation,
    Point,
    Sighting,
    parted,
)
from harness.observation.stores import Element, Store

__all__ = [
    "Attestation",
    "Either",
    "Element",
    "Event",
    "Exit",
    "Fault",
    "Module",
    "Naming",
    "Observation",
    "Point",
    "Sighting",
    "Store",
    "parted",
]
