"""Tests of the load on servers and of what is made of the answers."""
