# syntax=docker/dockerfile:1
# From the top of the checkout:
#
#   docker build -f packaging/containers/kproxy.Dockerfile -t kproxy_tw/kproxy .
#   docker run --name kproxy -d --net=host -e KENTIK_API_EMAIL -e KENTIK_API_TOKEN -v kproxy:/var/lib/kproxy kproxy_tw/kproxy
#
# Flags may follow the image, --api_email you@example.com for example; -host=0.0.0.0 is there already.

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
LABEL org.opencontainers.image.title="kproxy" \
      org.opencontainers.image.description="kproxy takes flow from routers, limits it, and sends it on encrypted" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.vendor="kproxy_tw"
COPY --from=build /usr/lib/kproxy-tw /usr/lib/kproxy-tw
RUN useradd --system --uid 990 --home-dir /var/lib/kproxy --shell /usr/sbin/nologin kproxy \
    && install -d -m 700 -o kproxy -g kproxy /var/lib/kproxy
ENV PATH=/usr/lib/kproxy-tw/bin:$PATH PYTHONUNBUFFERED=1
USER 990
VOLUME /var/lib/kproxy
EXPOSE 9995/udp 9996/tcp
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["kproxy", "healthcheck"]
ENTRYPOINT ["kproxy", "-state_dir=/var/lib/kproxy", "-host=0.0.0.0"]
