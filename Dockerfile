# syntax=docker/dockerfile:1
# One static binary on an empty image: no shell, no package manager, not root.

FROM golang:1.26-bookworm AS build
ARG VERSION=devel
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download && go mod verify
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -tags timetzdata -ldflags "-s -w -X main.version=${VERSION}" -o /out/rollcall ./cmd/rollcall
RUN install -d -m 0700 -o 65532 -g 65532 /out/state

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/rollcall /usr/bin/rollcall
COPY --from=build --chown=65532:65532 /out/state /var/lib/rollcall
# The root file system may be mounted read-only; what is written, temporary files included, goes to the volume.
ENV TMPDIR=/var/lib/rollcall
WORKDIR /var/lib/rollcall
VOLUME /var/lib/rollcall
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/usr/bin/rollcall", "health", "--config", "/etc/rollcall/rollcall.yaml"]
ENTRYPOINT ["/usr/bin/rollcall"]
CMD ["serve", "--config", "/etc/rollcall/rollcall.yaml"]
