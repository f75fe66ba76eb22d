# The scheduler's image: built in one stage, run from another that has neither a compiler nor pip.
#
#   BASE_IMAGE      a Python 3.11 on Debian, the same for both stages; name it with its digest to pin it
#   PIP_NO_INDEX,   for a machine without Internet: 1, and /src/wheels with the distributions in wheels/
#   PIP_FIND_LINKS
#   BUNDLE          downloads that the image carries for clusters without Internet: "release" for those of this release,
#                   or URLs
#   REVISION        the commit, for the image's label
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
ARG PIP_NO_INDEX=""
ARG PIP_FIND_LINKS=""
ARG BUNDLE=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# Taken along if it is there.
COPY requirements wheel[s] wheels/
RUN python3 -m venv /opt/calico-dcos \
    && /opt/calico-dcos/bin/pip install --require-hashes --requirement wheels/build.lock \
    && /opt/calico-dcos/bin/pip install --require-hashes --no-deps --no-build-isolation --requirement wheels/run.lock
COPY third_party third_party
COPY setup.py pyproject.toml README.md ./
COPY universe universe
COPY calico_dcos calico_dcos
RUN /opt/calico-dcos/bin/pip install --no-index --no-deps --no-build-isolation ./third_party/http-parser . \
    && if [ -n "${BUNDLE}" ]; then \
        /opt/calico-dcos/bin/calico-dcos bundle /opt/calico-dcos/share/calico-dcos/bundle ${BUNDLE}; fi \
    && /opt/calico-dcos/bin/pip check \
    && /opt/calico-dcos/bin/pip uninstall --yes setuptools wheel packaging pip

FROM ${BASE_IMAGE}
ARG REVISION=""
LABEL org.opencontainers.image.title="calico-dcos" \
      org.opencontainers.image.description="Installs Calico on every agent of a DC/OS or Mesos cluster" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="https://github.com/projectcalico/calico-dcos" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/calico-dcos /opt/calico-dcos
# It needs no right of root: hosts are changed by tasks, which Mesos runs. The directory is for a sqlite store.
RUN install --directory --owner=10001 --group=10001 /var/lib/calico-dcos
USER 10001:10001
ENV PATH=/opt/calico-dcos/bin:$PATH PYTHONUNBUFFERED=1 LANG=C.UTF-8
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=15s --start-period=60s --retries=3 CMD ["calico-dcos", "health"]
ENTRYPOINT ["calico-dcos"]
CMD ["scheduler"]
