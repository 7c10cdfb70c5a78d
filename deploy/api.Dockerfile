# The API, the schema's migrations and the command line for people and tokens.
# From the root of the repository: docker build -f deploy/api.Dockerfile -t fourpoint-api .
ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
RUN python -m venv /opt/fourpoint
WORKDIR /src
# `otel`: what sends traces.
ARG EXTRAS=
# First what changes rarely. The lock file bounds what is installed; what the API does not need is left out.
COPY requirements.lock pyproject.toml README.md deploy/wanted.py ./
RUN python wanted.py api ${EXTRAS} > wanted.txt \
    && /opt/fourpoint/bin/python -m pip install --no-cache-dir --constraint requirements.lock -r wanted.txt
COPY services services
COPY clients/python/fourpoint_client clients/python/fourpoint_client
RUN /opt/fourpoint/bin/python -m pip install --no-cache-dir --no-deps . \
    && /opt/fourpoint/bin/python -m pip uninstall --yes --quiet pip setuptools

FROM ${PYTHON_IMAGE}
# Python's own pip, and what would bring it back: nothing is installed any more.
RUN rm -rf /usr/local/lib/python3.*/site-packages /usr/local/lib/python3.*/ensurepip /usr/local/bin/pip*
RUN groupadd --system --gid 10001 fourpoint \
    && useradd --system --uid 10001 --gid fourpoint --home-dir /nonexistent --shell /usr/sbin/nologin fourpoint
COPY --from=build /opt/fourpoint /opt/fourpoint
ENV PATH=/opt/fourpoint/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    FOURPOINT_BIND=0.0.0.0:8040 \
    FOURPOINT_API_TEMPORARY_DIRECTORY=/dev/shm
USER 10001:10001
WORKDIR /tmp
EXPOSE 8040
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD \
    ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8040/healthz', timeout=2)"]
CMD ["gunicorn", "fourpoint_api.wsgi:app", "--config=python:fourpoint_api.gunicorn_conf"]
