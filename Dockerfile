# A static binary in an empty image: no shell, no libc, nothing to patch but ourselves.
# Each platform compiles on itself (buildx with native or emulated builders), so there is no cross toolchain to keep.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
# crt-static: glibc is linked in. relocation-model=static: a smaller binary, without position-independent indirection.
ENV RUSTFLAGS="-C target-feature=+crt-static -C relocation-model=static"
# A target of its own, though it is the host's, keeps these flags from procedural macros, which cannot be static.
RUN rustc -vV | sed -n 's/^host: //p' >/target

# The dependencies alone, so that this layer is built again only when they change. The workspace's other members are
# not in the image; empty ones satisfy their manifests.
COPY Cargo.toml Cargo.lock ./
COPY bench/Cargo.toml bench/
COPY bench/attack/Cargo.toml bench/attack/
COPY bench/floor/Cargo.toml bench/floor/
COPY e2e/Cargo.toml e2e/
COPY e2e/application/Cargo.toml e2e/application/
COPY kubectl-maintenance/Cargo.toml kubectl-maintenance/
RUN for member in . bench bench/attack bench/floor e2e e2e/application kubectl-maintenance; do \
      mkdir -p "$member/src" && echo 'fn main() {}' >"$member/src/main.rs" || exit 1; \
    done && touch src/lib.rs \
 && cargo build --release --locked --package maintenance-mode --target "$(cat /target)"

COPY build.rs ./
COPY static static
COPY src src
# Cargo goes by modification times, and the sources may be older than the empty ones were.
RUN touch build.rs src/lib.rs src/main.rs && cargo build --release --locked --package maintenance-mode --target "$(cat /target)" \
 && install -D -m 0755 target/*/release/maintenance-mode /image/maintenance-mode

FROM scratch
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="maintenance-mode" \
      org.opencontainers.image.description="Answers an honest 503 with a page that helps, while your application is under maintenance" \
      org.opencontainers.image.source="https://github.com/maintenance-mode/maintenance-mode" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Group 0 may read and run it, as OpenShift's arbitrary UIDs need.
COPY --from=build --chown=10001:0 /image/ /
USER 10001:10001
EXPOSE 8080 9090
ENTRYPOINT ["/maintenance-mode"]
