"""A folder for PYTHONPATH: what lies in it gets Refault into every process of a server."""
