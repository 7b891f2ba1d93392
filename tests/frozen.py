"""Excludes the modules of the fork server from garbage collection, also in the processes it forks.

In each process the collector would visit them, which also copies their memory pages.
"""

import gc

gc.freeze()
