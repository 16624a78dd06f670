"""Live services stay small: what costs a tenth of a second and a hundred megabytes belongs to backtests."""

import subprocess
import sys

import pytest

from libs.domain.fleet import PORTS

LOADED = "import sys, services.{0}.__main__; print(*{{name.partition('.')[0] for name in sys.modules}})"


@pytest.mark.parametrize("service", PORTS)
def test_a_started_service_has_imported_no_numerical_library(service: str) -> None:
    loaded = subprocess.run([sys.executable, "-c", LOADED.format(service)], check=True, capture_output=True, text=True).stdout.split()
    assert {"services", "psycopg", "aiohttp"} <= set(loaded)
    assert not {"numba", "numpy", "pandas", "pyarrow", "sqlalchemy"} & set(loaded)
