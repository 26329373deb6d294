"""The TCP port of kcollect."""
