"""python -m fleet.dashboards: writes grafana/dashboards. `make docs` calls it."""

from fleet.dashboards.pages import write

for written in write():
    print(f"wrote {written}")
