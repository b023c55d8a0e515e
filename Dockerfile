# litink with every backend, as a user without rights. Build: docker build -t litink .
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package litink-server --features servers

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl espeak-ng ffmpeg \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --home-dir /data --shell /usr/sbin/nologin litink
COPY --from=build /src/target/release/litink /usr/local/bin/litink
USER 10001
WORKDIR /data
VOLUME /data
ENV LITINK_DATA_DIR=/data
EXPOSE 8000
ENTRYPOINT ["litink"]
CMD ["serve", "--bind", "0.0.0.0:8000"]
