# The HTTP server with the bundled English model, on CPUs.
#
#   docker build --tag wav2vec2-conformer .
#   docker run --rm --publish 8000:8000 wav2vec2-conformer
#
# Flags of `serve` come after the name of the image, settings as --env W2VC_...

FROM python:3.11-slim-bookworm AS build
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /src
RUN python -m venv /opt/venv
# First torch, which is large and seldom changes; +cpu is the build without CUDA's libraries.
COPY constraints.txt ./
RUN pip install --no-cache-dir --constraint constraints.txt \
    --extra-index-url https://download.pytorch.org/whl/cpu \
    "$(grep '^torch==' constraints.txt)+cpu"
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN pip install --no-cache-dir --constraint constraints.txt ".[server,media]" \
    && pip uninstall --yes pip

FROM python:3.11-slim-bookworm
COPY --from=build /opt/venv /opt/venv
# Hub models and temporary files go to /tmp: mount a volume there to keep or to bound them.
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    W2VC_HOST=0.0.0.0 \
    W2VC_PORT=8000
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", \
    "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"W2VC_PORT\"]}/health', timeout=4)"]
ENTRYPOINT ["wav2vec2-conformer", "serve"]
