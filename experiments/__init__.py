"""Scenarios, runs, comparisons and reports, and the `journeys` command."""

import os

# Matrices here are small: threads of the linear algebra would only wait for each other (on a busy machine an area's
# draws took five times as long), and move last bits. It must be said before any library is loaded, so here; processes
# that are started find it too.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("VECLIB_MAXIMUM_THREADS", "1")
