# Stands in for python:3.11-slim-bookworm where no registry can be reached.
FROM tuner-stand-in/base
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends python3 python3-pip >/dev/null \
    && rm -rf /var/lib/apt/lists/* && ln -s python3 /usr/bin/python
# Whether builds reach an index at all: better known here than in the middle of the project's own.
RUN python3 -m pip download --quiet --no-deps --dest /tmp/probe wheel && rm -r /tmp/probe
