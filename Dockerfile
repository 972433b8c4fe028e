# The image of Trustpool, and with --target simulator that of the pretend attestation service. Everything is built from
# this folder. `make image` builds it, and where no registry can be reached packs the same from this machine.
ARG BUILDER=docker.io/library/rust:1.95.0-slim-bookworm
# glibc of the same Debian as the builder's, and CA certificates.
ARG RUNTIME=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILDER} AS build
WORKDIR /source
COPY image/tools image/tools
RUN image/tools /tools
COPY . .
ARG SOURCE_DATE_EPOCH=0
RUN PATH=/tools/bin:$PATH SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH} image/assemble /out

FROM ${RUNTIME} AS simulator
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title=trustpool-simulator \
      org.opencontainers.image.description="A pretend OpenAttestation service, to try Trustpool out" \
      org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.version=${VERSION} \
      org.opencontainers.image.revision=${REVISION}
COPY --from=build /out/simulator/ /
USER 65532:65532
ENTRYPOINT ["/oat-simulator"]

FROM ${RUNTIME} AS trustpool
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title=trustpool \
      org.opencontainers.image.description="Trusted compute pools for Kubernetes" \
      org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.version=${VERSION} \
      org.opencontainers.image.revision=${REVISION}
COPY --from=build /out/trustpool/ /
USER 65532:65532
ENTRYPOINT ["/trustpool"]
