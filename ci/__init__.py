"""What runs around the tests: the night, the gate's policies, measurements, soaks, the offline kit."""
