"""Speak the API of stable-diffusion-webui ("A1111"), whose clients many people have, over ordinary edit jobs.

Its requests become :class:`framesense.schemas.edits.EditParameters`, and results are written as that API writes
them. Fields that it does not know are ignored, as it does; fields that would change the picture and that an edit has no
way to do are refused with the reason.
"""
