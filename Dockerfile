# syntax=docker/dockerfile:1
FROM node:22-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY asconfig.json tsconfig.json tsconfig.build.json ./
COPY assembly assembly
COPY scripts scripts
COPY src src
RUN npm run build && npm prune --omit=dev --ignore-scripts && mkdir /data

FROM node:22-bookworm-slim
ENV NODE_ENV=production \
    VBO_RUN_DIRECTORY=/data/runs
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/build build
COPY --from=build /app/dist dist
# History, audit log and runs; a volume that is mounted here takes over its owner.
COPY --from=build --chown=node:node /data /data
USER node
VOLUME /data
EXPOSE 8001
HEALTHCHECK --interval=15s --timeout=3s --start-period=5s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8001/health').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/cli/main.js"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8001"]
