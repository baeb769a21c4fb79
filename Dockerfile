# One image for the web tier, the workers and `db upgrade`: docs/containers.md.
# BASE is any image of a Debian with Python 3.11 or newer and its venv module; name it by digest to pin it.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
WORKDIR /src
COPY setup.cfg pyproject.toml constraints.txt README.md LICENSE ./
COPY shared shared
COPY bookbot_worker bookbot_worker
COPY bookbot_web bookbot_web
RUN python3 -m venv /opt/bookbot/venv \
 && /opt/bookbot/venv/bin/pip install --no-cache-dir -c constraints.txt . \
 && /opt/bookbot/venv/bin/pip uninstall --yes --quiet setuptools pip

FROM ${BASE}
# Numbers, so that a cluster can check that it is not root's.
RUN groupadd --system --gid 10001 bookbot \
 && useradd --system --uid 10001 --gid 10001 --home-dir /var/lib/bookbot --create-home bookbot
COPY --from=build /opt/bookbot/venv /opt/bookbot/venv
ENV PATH=/opt/bookbot/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /var/lib/bookbot
# The first SIGTERM drains. Give it BOOKBOT_DRAIN_SECONDS and 25 more before you kill.
STOPSIGNAL SIGTERM
CMD ["bookbot-worker", "run"]
