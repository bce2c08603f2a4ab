"""Which models there are, and how the server is."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from wav2vec2_conformer.server.api_error import ApiError
from wav2vec2_conformer.server.model_set import SPEAKER, ModelSet, unknown_model
from wav2vec2_conformer.server.service import Service

_OWNER = "wav2vec2-conformer"


def status_routes(service: Service) -> APIRouter:
    """Return the endpoints."""
    router = APIRouter()

    @router.get("/health")
    async def tell_health() -> Response:
        """Answer as long as the server runs."""
        return JSONResponse({"status": "ok"})

    @router.get("/ready")
    async def tell_ready() -> Response:
        """Answer with 200 when requests are taken."""
        service.loaded_models()
        return JSONResponse({"status": "ready"})

    @router.get("/metrics")
    async def tell_metrics(request: Request) -> Response:
        service.access.check(request.headers)
        text = service.metrics.format()
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    @router.get("/v1/models")
    async def list_models(request: Request) -> Response:
        service.access.check(request.headers)
        return JSONResponse({"object": "list", "data": _describe(service.loaded_models())})

    @router.get("/v1/models/{name:path}")
    async def show_model(request: Request, name: str) -> Response:
        service.access.check(request.headers)
        models = {model["id"]: model for model in _describe(service.loaded_models())}
        if name not in models:
            raise unknown_model(name, list(models))
        return JSONResponse(models[name])

    @router.api_route("/v1/audio/translations", methods=["POST"])
    async def refuse_translation() -> Response:
        raise ApiError(
            404,
            "a CTC model writes what is said in the language in which it is said, and does not "
            "translate. Use /v1/audio/transcriptions.",
            code="not_found",
        )

    return router


def _describe(models: ModelSet) -> list[dict[str, Any]]:
    tasks = {name: ["transcriptions", "alignments", "embeddings"] for name in models.recognizers}
    if models.verifier is not None:
        tasks[SPEAKER] = ["verifications", "embeddings"]
    if models.diarizer is not None:
        tasks["diarization"] = ["diarizations"]
    if models.classifier is not None:
        tasks["classification"] = ["classifications"]
    return [
        {"id": name, "object": "model", "created": 0, "owned_by": _OWNER, "tasks": done}
        for name, done in tasks.items()
    ]
