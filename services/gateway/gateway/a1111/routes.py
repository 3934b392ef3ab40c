"""Serve the A1111 API (stable-diffusion-webui), for clients that people already have."""

from fastapi import APIRouter, Depends

from framesense.http.declared_names import ignore_unknown_names
from gateway.a1111 import image_routes, picture_routes, progress_routes, server_routes

# Its clients send every field of that server, extensions' too, and expect those that are not known to be ignored.
router = APIRouter(dependencies=[Depends(ignore_unknown_names)])
router.include_router(image_routes.sdapi)
router.include_router(picture_routes.sdapi)
router.include_router(progress_routes.sdapi)
router.include_router(progress_routes.internal)
router.include_router(server_routes.sdapi)  # last: it answers for every other name
