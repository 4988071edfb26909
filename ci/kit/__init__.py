"""The offline kit: what a GPU machine without a package registry lacks, as wheels in parts."""
