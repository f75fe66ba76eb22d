# The scheduler's image: built in one stage, run from another that has neither a compiler nor pip.
#
#   BASE_IMAGE   a Python 3.11 on Debian, or what is made of it; both stages run on it
#   PIP_OPTIONS  for a machine without Internet: "--no-index --find-links=wheels" and the files in wheels/
#   BUNDLE       downloads that the image is to carry for clusters without Internet: "release" for those that the
#                package names, or URLs; "file:bundle" for a directory in the build's context
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
ARG PIP_OPTIONS=""
ARG BUNDLE=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
# The directories wheels and bundle need not exist: the patterns take them along if they do.
COPY requirements.lock wheel[s] wheels/
RUN python3 -m venv /opt/calico-dcos \
    && /opt/calico-dcos/bin/pip install ${PIP_OPTIONS} --require-hashes --no-deps --no-build-isolation \
        $(grep -o '^setuptools==[^ ]*' wheels/requirements.lock > /tmp/first; true) -r wheels/requirements.lock
COPY third_party third_party
COPY setup.py pyproject.toml README.md ./
COPY universe universe
COPY calico_dcos calico_dcos
RUN /opt/calico-dcos/bin/pip install --no-index --no-deps --no-build-isolation ./third_party/http-parser .
