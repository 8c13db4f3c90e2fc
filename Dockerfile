# Both programs in one image, static and without a shell: docker build -t rotor --build-arg VERSION="$(git describe --always --abbrev=12 --dirty)" .
# Not built by CI: no Docker engine runs there.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X rotor/internal/config.version=${VERSION}" -o /out/rotor-worker ./worker && \
    CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X rotor/internal/config.version=${VERSION}" -o /out/rotor ./starter

FROM scratch
# For TLS to the clouds, to Temporal and to databases.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/rotor-worker /out/rotor /usr/local/bin/
ENV PATH=/usr/local/bin
# A number, because Kubernetes' runAsNonRoot can't judge names.
USER 65532:65532
CMD ["rotor-worker"]
