"""Runs before anything else in a process of the money path, because the harness has put this folder on its PYTHONPATH.

CHAOS_POINT=CP08:sigkill:3 wounds the process when it is at that moment for the third time. No setting of the services reaches this.
"""

import os

if os.environ.get("CHAOS_POINT") or os.environ.get("CHAOS_PLANTED") or os.environ.get("CHAOS_LAG_S") or os.environ.get("CHAOS_LEASE_S"):
    from tests.chaos import wounds

    wounds.inflict(os.environ)
