"""Drafts many fixes out of real releases, and holds each draft against what `patch -R` makes of the files."""
