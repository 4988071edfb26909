"""Tests of the parts of the page, each seen in a whole page."""
