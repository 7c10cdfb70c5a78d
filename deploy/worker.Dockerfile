# The workers. Two targets, the same code:
#   cpu  the engines that need no GPU, and background work:  docker build -f deploy/worker.Dockerfile --target cpu -t fourpoint-worker .
#   gpu  with torch for SAM checkpoints (CUDA comes in torch's wheels):     ... --target gpu -t fourpoint-worker-gpu .
ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS source
RUN python -m venv /opt/fourpoint
WORKDIR /src
COPY requirements.lock requirements-sam.lock pyproject.toml README.md deploy/wanted.py ./

FROM source AS build-cpu
# `otel`: what sends traces.
ARG EXTRAS=
# First what changes rarely; the lock file bounds what is installed.
RUN python wanted.py worker ${EXTRAS} > wanted.txt \
    && /opt/fourpoint/bin/python -m pip install --no-cache-dir --constraint requirements.lock -r wanted.txt
COPY services services
COPY clients/python/fourpoint_client clients/python/fourpoint_client
RUN /opt/fourpoint/bin/python -m pip install --no-cache-dir --no-deps . \
    && /opt/fourpoint/bin/python -m pip uninstall --yes --quiet pip setuptools

FROM source AS build-gpu
ARG EXTRAS=
RUN python wanted.py worker sam ${EXTRAS} > wanted.txt \
    && /opt/fourpoint/bin/python -m pip install --no-cache-dir \
    --constraint requirements.lock --constraint requirements-sam.lock -r wanted.txt
COPY services services
COPY clients/python/fourpoint_client clients/python/fourpoint_client
RUN /opt/fourpoint/bin/python -m pip install --no-cache-dir --no-deps .

FROM ${PYTHON_IMAGE} AS run
RUN groupadd --system --gid 10001 fourpoint \
    && useradd --system --uid 10001 --gid fourpoint --home-dir /nonexistent --shell /usr/sbin/nologin fourpoint \
    && install --directory --owner 10001 --group 10001 /models
ENV PATH=/opt/fourpoint/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /tmp
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 CMD ["python", "-m", "fourpoint_worker.alive"]
CMD ["python", "-m", "fourpoint_worker.inference_app"]

FROM run AS gpu
# FOURPOINT_SAM_COMPILE: at the start Triton builds with a C compiler what calls its kernels, and keeps it where one may write.
USER root
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
USER 10001:10001
COPY --from=build-gpu /opt/fourpoint /opt/fourpoint
# Checkpoints that are fetched stay there; the rest of the file system is read-only.
ENV FOURPOINT_ENGINE=sam FOURPOINT_MODELS_DIRECTORY=/models TRITON_CACHE_DIR=/tmp/triton
VOLUME /models

FROM run AS cpu
COPY --from=build-cpu /opt/fourpoint /opt/fourpoint
