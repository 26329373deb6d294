# syntax=docker/dockerfile:1
# From the top of the checkout:
#
#   docker build -f packaging/containers/kcollect.Dockerfile -t kproxy_tw/kcollect .
#   docker run --name kcollect -d --net=host -v kcollect:/var/lib/kcollect kproxy_tw/kcollect

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
LABEL org.opencontainers.image.title="kcollect" \
      org.opencontainers.image.description="kcollect receives what kproxy and kbgp send, stores it, and answers questions about it" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.vendor="kproxy_tw"
COPY --from=build /usr/lib/kproxy-tw /usr/lib/kproxy-tw
RUN useradd --system --uid 990 --home-dir /var/lib/kcollect --shell /usr/sbin/nologin kcollect \
    && install -d -m 700 -o kcollect -g kcollect /var/lib/kcollect
ENV PATH=/usr/lib/kproxy-tw/bin:$PATH PYTHONUNBUFFERED=1
USER 990
VOLUME /var/lib/kcollect
EXPOSE 20080/tcp
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["kcollect", "healthcheck"]
ENTRYPOINT ["kcollect", "-data=/var/lib/kcollect"]
