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

__all__ = [
    "Attestation",
    "Either",
    "Event",
    "Exit",
    "Fault",
    "Module",
    "Naming",
    "Observation",
    "Point",
    "Sighting",
    "parted",
]
