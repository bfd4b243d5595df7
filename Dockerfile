# The static binary and the certificates that it verifies servers with, nothing else. The build context has one
# folder for each platform, with the contents of a release archive: see .github/workflows/release.yml.
FROM alpine:3 AS certificates
RUN apk add --no-cache ca-certificates

FROM scratch
ARG TARGETARCH
COPY --from=certificates /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY ${TARGETARCH}/bakeoff /bakeoff
# Runs are written to the folder that is mounted here.
WORKDIR /runs
ENTRYPOINT ["/bakeoff"]
