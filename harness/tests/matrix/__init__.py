"""Tests of the matrix: what a column of cells comes to, and runs over releases of the toy."""
