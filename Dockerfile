# docker build -t eider . && docker run -p 127.0.0.1:4214:4214 -p 127.0.0.1:4280:4280 -e EIDER_INSECURE=true -v eider:/data eider
FROM node:24-bookworm-slim AS build
WORKDIR /src
# DuckDB's extensions come by pip where DuckDB itself cannot fetch them.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3 python3-pip \
 && rm -rf /var/lib/apt/lists/*
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json ./
COPY proto proto
COPY scripts scripts
COPY src src
RUN npm run build \
 && node scripts/fetch-extensions.mjs --dir /extensions \
 && npm prune --omit=dev

FROM node:24-bookworm-slim
LABEL org.opencontainers.image.title="eider" \
      org.opencontainers.image.description="Arrow Flight SQL server in front of DuckLake" \
      org.opencontainers.image.licenses="Apache-2.0"
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 eider \
 && useradd --uid 10001 --gid eider --home-dir /data --no-create-home --shell /usr/sbin/nologin eider \
 && install --directory --owner eider --group eider /data
WORKDIR /opt/eider
COPY bin bin
COPY deploy/healthcheck.mjs ./
COPY proto proto
COPY src/http/page src/http/page
COPY --from=build /src/package.json ./
COPY --from=build /src/node_modules node_modules
COPY --from=build /src/dist/src dist/src
COPY --from=build /extensions extensions
ENV NODE_ENV=production \
    EIDER_DATA_DIR=/data \
    EIDER_EXTENSION_DIR=/opt/eider/extensions \
    EIDER_HOST=0.0.0.0
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 4214 4280
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 CMD ["node", "/opt/eider/healthcheck.mjs"]
ENTRYPOINT ["/opt/eider/bin/eider"]
CMD ["serve"]
