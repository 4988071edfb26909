"""Processes that stand ready to be forked for the pools of later commands, and how a pool comes by one."""
