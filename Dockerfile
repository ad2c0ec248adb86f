# One image for every role: `tanmai serve --role …` in the gateway, `tanmai edge run …` beside the meters.

FROM node:24-bookworm-slim AS dashboard
WORKDIR /build
COPY gateway/dashboard/package.json gateway/dashboard/package-lock.json gateway/dashboard/vendor.mjs ./
RUN npm ci --ignore-scripts --no-audit --no-fund && node vendor.mjs

FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/tanmai
WORKDIR /build
COPY requirements/ requirements/
RUN /opt/tanmai/bin/pip install --require-hashes -r requirements/build.txt -r requirements/server.txt -r requirements/edge.txt
COPY pyproject.toml README.md ./
COPY collectors/ collectors/
COPY edge_agent/ edge_agent/
COPY gateway/ gateway/
COPY config/ config/
COPY --from=dashboard /build/static/vendor/ gateway/dashboard/static/vendor/
RUN /opt/tanmai/bin/pip install --no-deps --no-build-isolation .

FROM python:3.13-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/tanmai --create-home tanmai \
    && install --directory --owner tanmai --mode 700 /var/lib/tanmai/keys /var/lib/tanmai/evidence
COPY --from=build /opt/tanmai /opt/tanmai
ENV PATH=/opt/tanmai/bin:$PATH PYTHONUNBUFFERED=1 TANMAI_DATA_DIR=/var/lib/tanmai
USER tanmai
WORKDIR /var/lib/tanmai
EXPOSE 8080
ENTRYPOINT ["tanmai"]
CMD ["serve", "--role", "web"]
