"""The reproducers' own tests: real upstream, on trees altered by hand."""
