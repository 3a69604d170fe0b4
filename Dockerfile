# Both images can be others of your own: a Rust toolchain with a C compiler, and a glibc, no older than
# the first one's, to run on.
ARG BUILD_IMAGE=docker.io/library/rust:1-slim-bookworm
ARG RUN_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILD_IMAGE} AS build
WORKDIR /build
# The dependencies alone, so that this layer is made anew only when they change.
COPY Cargo.toml Cargo.lock ./
COPY examples/Cargo.toml examples/
COPY crates/access/Cargo.toml crates/access/
COPY crates/acme/Cargo.toml crates/acme/
COPY crates/actix/Cargo.toml crates/actix/
COPY crates/axum/Cargo.toml crates/axum/
COPY crates/bench/Cargo.toml crates/bench/
COPY crates/cli/Cargo.toml crates/cli/
COPY crates/compression/Cargo.toml crates/compression/
COPY crates/tls/Cargo.toml crates/tls/
COPY crates/disk/Cargo.toml crates/disk/
COPY crates/http/Cargo.toml crates/http/
COPY crates/postgres/Cargo.toml crates/postgres/
COPY crates/presence/Cargo.toml crates/presence/
COPY crates/mercure/Cargo.toml crates/mercure/
COPY crates/redis/Cargo.toml crates/redis/
COPY crates/remote/Cargo.toml crates/remote/
COPY crates/server/Cargo.toml crates/server/
COPY crates/signals/Cargo.toml crates/signals/
RUN mkdir -p src examples/support \
    && touch src/lib.rs examples/support/mod.rs \
    && for crate in crates/*; do mkdir $crate/src && touch $crate/src/lib.rs; done \
    && echo 'fn main() {}' > crates/server/src/main.rs \
    && cargo build --release --locked --bin sse-broadcaster \
    && rm -r src crates/*/src
COPY src src
COPY crates crates
# Files keep the times of the checkout, which may be older than what was just built from empty ones.
RUN find src crates -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --bin sse-broadcaster \
    && mkdir -p /image/data

FROM ${RUN_IMAGE}
LABEL org.opencontainers.image.title="sse-broadcaster" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /build/target/release/sse-broadcaster /usr/local/bin/sse-broadcaster
COPY --from=build --chown=65532:65532 /image/data /data
USER 65532:65532
# Docker kills what has not ended 10 s after SIGTERM, and a client that reads nothing holds the drain up.
ENV SSE_BROADCASTER_LISTEN=0.0.0.0:8000 \
    SSE_BROADCASTER_DRAIN_TIME=8s
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 \
    CMD ["/usr/local/bin/sse-broadcaster", "health"]
ENTRYPOINT ["/usr/local/bin/sse-broadcaster"]
