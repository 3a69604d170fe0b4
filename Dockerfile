# syntax=docker/dockerfile:1
# Both images can be replaced by ones of your own: a Rust toolchain, and a glibc to run on.
ARG BUILD_IMAGE=docker.io/library/rust:1-slim-bookworm
ARG RUN_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILD_IMAGE} AS build
WORKDIR /build
# The dependencies alone, so that this layer is made anew only when they change.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src examples \
    && echo 'fn main() {}' > src/main.rs && touch src/lib.rs \
    && echo 'fn main() {}' > examples/embed.rs \
    && cargo build --release --locked --bin sse-broadcaster \
    && rm -r src examples
COPY src src
COPY examples examples
# The sources' times are those of the checkout, which may be older than the empty ones above.
RUN touch src/main.rs src/lib.rs \
    && cargo build --release --locked --bin sse-broadcaster \
    && mkdir -p /image/data

FROM ${RUN_IMAGE}
COPY --from=build /build/target/release/sse-broadcaster /usr/local/bin/sse-broadcaster
COPY --from=build --chown=65532:65532 /image/data /data
USER 65532:65532
ENV SSE_BROADCASTER_LISTEN=0.0.0.0:8000
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s \
    CMD ["/usr/local/bin/sse-broadcaster", "health"]
ENTRYPOINT ["/usr/local/bin/sse-broadcaster"]
