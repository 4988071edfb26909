"""Child processes: one arm is one process with limits, and nothing of it outlives the run.

A pool's processes form one chain, and each link ends what is below it when the link above is gone:
the *supervisor* (adopts orphans, ends everything with the pool), one *fork server* an environment (has
imported third-party modules, forks), one *watchdog* an arm (limits, leftovers), and the *arm* itself.
"""
