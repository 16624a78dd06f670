"""Runs before anything else in a process of the money path, because the harness has put this folder on its PYTHONPATH.

No setting of the services reaches this: without the folder nothing of it is there.
"""

import os
import sys
import traceback

if any(name.startswith("CHAOS_") for name in os.environ):
    try:
        from tests.chaos import wounds

        wounds.inflict(os.environ)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(70)  # Python would go on without it, and a run would be sound because nothing was wounded
