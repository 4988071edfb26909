"""Where a bug came, or went: halving a line of releases or commits, each judged by its fault."""
