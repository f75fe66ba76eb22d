# The scheduler's image: built in one stage, run from another that has no compiler.
ARG BASE_IMAGE=python:3.11-slim

FROM ${BASE_IMAGE} AS build
WORKDIR /src
COPY third_party third_party
COPY setup.py pyproject.toml README.md ./
COPY calico_dcos calico_dcos
RUN python3 -m venv /opt/calico-dcos \
    && /opt/calico-dcos/bin/pip install --no-cache-dir ./third_party/http-parser \
    && /opt/calico-dcos/bin/pip install --no-cache-dir .

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="calico-dcos" \
      org.opencontainers.image.description="Installs Calico on every agent of a DC/OS or Mesos cluster" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/calico-dcos /opt/calico-dcos
ENV PATH=/opt/calico-dcos/bin:$PATH PYTHONUNBUFFERED=1
EXPOSE 8080
ENTRYPOINT ["calico-dcos"]
CMD ["scheduler"]
