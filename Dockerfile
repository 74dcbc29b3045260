# The image of the operator: one program, the libraries it names, and the authorities that S3 is trusted by. No shell, no
# package manager. The same image renders files in drives' pods and prepares databases.
#
#   docker build --build-arg VERSION=0.1.0 --build-arg REVISION="$(git rev-parse HEAD)" -t registry.example.com/ras-operator:0.1.0 .

# The compiler of rust-toolchain.toml.
FROM rust:1.95-bookworm AS build
# aws-lc compiles C.
RUN apt-get update && apt-get install -y --no-install-recommends cmake && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked -p ras-operator --bin ras-operator && cp target/release/ras-operator /ras-operator
# What the program is linked with, where it looks for it. `-L`: /lib is a link in Debian, and there is none in the image.
RUN mkdir /image && cp -L --parents $(ldd /ras-operator | grep -o '/[^ ]*') /etc/ssl/certs/ca-certificates.crt /image/

FROM scratch
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="ras-operator" \
      org.opencontainers.image.description="Turns RecruitmentDrive objects into running campus placement portals" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /image/ /
COPY --from=build /ras-operator /ras-operator
# Huge pages would double what it takes on nodes that give them to everybody.
ENV MIMALLOC_ALLOW_THP=0
# Nobody in particular; by number, so that kubelet can tell that it is not root.
USER 65532:65532
ENTRYPOINT ["/ras-operator"]
CMD ["run"]
