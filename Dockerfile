# One image per service from one file: `docker build --build-arg SERVICE=risk_manager --target service .`
# Other targets, for what needs more than its own folder: `monitor` (the runbooks it shows) and `fleet` (the operator's commands
# and the migrations). What all need comes first, so that the images share it.
ARG PYTHON=3.11-slim-bookworm

# What every service needs, from the hashed lock. Without pip: nothing is installed into a container that runs.
FROM python:${PYTHON} AS common
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
COPY pyproject.toml constraints.txt ./
COPY scripts/locked.py scripts/
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/venv \
 && python scripts/locked.py > common.txt \
 && python -m pip --python /opt/venv/bin/python install --quiet --no-deps --require-hashes -r common.txt

# What one service needs: the common part, which pip will find installed, and its own. Who plays a market also gets the package whose
# data file holds the default market's closes; it is never imported, so what it depends on is left out.
FROM common AS needs
ARG SERVICE
COPY requirements-nodeps.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    python scripts/locked.py "${SERVICE}" > needs.txt \
 && if [ "${SERVICE}" = data_collector ] || [ "${SERVICE}" = sim_venue ]; then grep '^skfolio==' requirements-nodeps.txt >> needs.txt; fi

FROM python:${PYTHON} AS base
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    OPENBLAS_NUM_THREADS=1 BIND_HOST=0.0.0.0 CONFIG_DIR=/app/config STATE_DIR=/state
# Numeric, so that whoever runs it can see that it is not root. /state is for the volume of a service that keeps something.
RUN groupadd --gid 10001 fleet \
 && useradd --uid 10001 --gid fleet --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin fleet \
 && install -d -o fleet -g fleet -m 0750 /state
COPY --from=common /opt/venv /opt/venv
WORKDIR /app

FROM base AS installed
ARG SERVICE
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=bind,from=needs,source=/build,target=/build \
    /usr/local/bin/python -m pip --python /opt/venv/bin/python install --quiet --no-deps --require-hashes -r /build/needs.txt
COPY libs libs
ARG RELEASE=0.1.0
ARG REVISION=unknown
ENV SERVICE=${SERVICE} RELEASE=${RELEASE}
LABEL org.opencontainers.image.title="tradewinds ${SERVICE}" \
      org.opencontainers.image.description="One service of Tradewinds, a fleet that trades around the clock" \
      org.opencontainers.image.version="${RELEASE}" \
      org.opencontainers.image.revision="${REVISION}"

FROM installed AS service
COPY services/__init__.py services/
COPY services/${SERVICE} services/${SERVICE}
# Compiled now, for nothing can be written later. What lacks a package shall not become an image.
RUN python -m compileall -q libs services && python -c "import services.${SERVICE}.__main__"
USER 10001:10001
# Alive, not ready: a database that is away is no reason to call a service dead.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD python -c "import os, urllib.request as web; from libs.domain.fleet import PORTS; web.urlopen('http://127.0.0.1:%d/health' % (PORTS[os.environ['SERVICE']] + int(os.environ.get('PORT_OFFSET') or 0)), timeout=3)"
# exec: Python gets SIGTERM itself, and drains.
CMD exec python -m "services.${SERVICE}"

FROM service AS monitor
COPY docs/runbooks docs/runbooks

FROM installed AS fleet
COPY services services
COPY migrations migrations
COPY fleet fleet
COPY deploy/elasticsearch deploy/elasticsearch
RUN python -m compileall -q libs services fleet migrations && python -m fleet.cli --help > /dev/null
USER 10001:10001
ENTRYPOINT ["python", "-m", "fleet.cli"]
CMD ["--help"]
