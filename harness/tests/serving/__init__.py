"""Tests of the life cycle of servers, on a toy that speaks their protocol and can misbehave."""
