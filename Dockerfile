# `docker build .` makes the CPU image, `docker build --target gpu .` the one for NVIDIA GPUs.
# No BuildKit needed. Its classic predecessor builds every stage before the target, hence the order: `--target cpu` ends
# before the CUDA libraries.
# A tag moves with each patch of Debian's; docs/running.md says how to name the image by its digest instead.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS base
RUN groupadd --gid 10001 tuner \
    && useradd --uid 10001 --gid tuner --no-log-init --create-home tuner \
    && install -d -o tuner -g tuner /data /artifacts /secrets/database /secrets/dashboard /home/tuner/.tuner
ENV PATH=/opt/tuner/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TUNER_DATA=/data \
    TUNER_ARTIFACTS=/artifacts \
    TF_CPP_MIN_LOG_LEVEL=2
WORKDIR /home/tuner
# Writable with a read-only root too. `.tuner` holds logs and caches, and SQLite where no database is named.
VOLUME ["/data", "/artifacts", "/home/tuner/.tuner"]
USER 10001:10001
ENTRYPOINT ["tuner"]
CMD ["workers"]
# A worker process is there; the brackets keep grep from finding itself.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD grep -qszx 'worke[r]' /proc/[0-9]*/cmdline

FROM ${PYTHON_IMAGE} AS dependencies
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements.lock ./
# What is never read goes: TensorFlow's C++ headers (430 MB), libclang (62 MB), other packages' tests (70 MB). Bytecode is
# compiled here, for a read-only root cannot keep it, and never checked again, for nothing changes any more.
RUN python3 -m venv --without-pip /opt/tuner \
    && python3 -m pip --python /opt/tuner/bin/python install --quiet --no-compile --require-hashes -r requirements.lock \
    && cd /opt/tuner/lib/python3*/site-packages && rm -r tensorflow/include clang \
    && find . -type d -name tests -prune -exec rm -r {} + \
    && /opt/tuner/bin/python -m compileall -qq -j 0 --invalidation-mode unchecked-hash .

FROM dependencies AS build
COPY LICENSE PACKAGE.md pyproject.toml ./
COPY tuner tuner
COPY studies studies
RUN python3 -m pip --python /opt/tuner/bin/python install --quiet --no-compile --no-build-isolation --no-deps . \
    && /opt/tuner/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/tuner/lib/python3*/site-packages/tuner

FROM base AS cpu
COPY --from=build /opt/tuner /opt/tuner
COPY studies studies

FROM dependencies AS dependencies-gpu
COPY requirements-gpu.lock ./
RUN python3 -m pip --python /opt/tuner/bin/python install --quiet --no-compile --require-hashes -r requirements-gpu.lock

FROM dependencies-gpu AS build-gpu
COPY LICENSE PACKAGE.md pyproject.toml ./
COPY tuner tuner
COPY studies studies
RUN python3 -m pip --python /opt/tuner/bin/python install --quiet --no-compile --no-build-isolation --no-deps . \
    && /opt/tuner/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/tuner/lib/python3*/site-packages/tuner

FROM base AS gpu
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=build-gpu /opt/tuner /opt/tuner
COPY studies studies

FROM cpu
