"""Tests of what people read: complete, plain where piped, and never cut where numbers stand."""
