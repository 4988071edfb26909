"""Tests of goldens: round trips, stable text, refusals, recording and orphans."""
