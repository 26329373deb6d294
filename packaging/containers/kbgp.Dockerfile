# syntax=docker/dockerfile:1
# From the top of the checkout:
#
#   docker build -f packaging/containers/kbgp.Dockerfile -t kproxy_tw/kbgp .
#   docker run --rm -d --network host --name kbgp -e KENTIK_API_EMAIL -e KENTIK_API_TOKEN \
#       -e KENTIK_ENABLE_MD5=true kproxy_tw/kbgp
#
# It runs as an ordinary user. The capabilities for port 179 and for watching signed connection attempts are in its
# interpreter's file: docker grants both unless told otherwise (--cap-drop).

FROM python:3.11-slim-bookworm AS build
WORKDIR /source
RUN python -m venv /usr/lib/kproxy-tw
COPY packaging/requirements.txt ./
RUN /usr/lib/kproxy-tw/bin/pip install --no-cache-dir --no-compile --require-hashes --only-binary=:all: -r requirements.txt
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && /usr/lib/kproxy-tw/bin/pip install --no-cache-dir --no-index --no-deps /wheels/*.whl \
    && packaging/tidy_venv /usr/lib/kproxy-tw \
    && /usr/lib/kproxy-tw/bin/python -m compileall -q /usr/lib/kproxy-tw/lib \
    && /usr/lib/kproxy-tw/bin/python -c 'from twisted.plugin import IPlugin, getPlugins; list(getPlugins(IPlugin))'

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="kbgp" \
      org.opencontainers.image.description="kbgp takes BGP sessions from routers and relays them over gRPC" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.vendor="kproxy_tw"
# Of its own, not a link to the image's: the capabilities are those of a file.
COPY --from=build /usr/lib/kproxy-tw /usr/lib/kproxy-tw
RUN apt-get update \
    && apt-get install -y --no-install-recommends libcap2-bin=1:2.66-* \
    && rm -rf /var/lib/apt/lists/* \
    && rm /usr/lib/kproxy-tw/bin/python && cp /usr/local/bin/python3.11 /usr/lib/kproxy-tw/bin/python \
    && setcap cap_net_bind_service,cap_net_raw=ep /usr/lib/kproxy-tw/bin/python
RUN useradd --system --uid 990 --home-dir /var/lib/kbgp --shell /usr/sbin/nologin kbgp \
    && install -d -m 700 -o kbgp -g kbgp /var/lib/kbgp
ENV PATH=/usr/lib/kproxy-tw/bin:$PATH PYTHONUNBUFFERED=1
USER 990
EXPOSE 179/tcp
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["kbgp", "healthcheck"]
ENTRYPOINT ["kbgp"]
