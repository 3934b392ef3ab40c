"""The API of stable-diffusion-webui ("A1111"), whose clients many people have, spoken over ordinary edit jobs.

What it asks becomes :class:`framesense.schemas.edits.EditParameters`, what comes of it is written as that API writes
it. Fields that it does not know are ignored, as it does; fields that would change the picture and that an edit has no
way to do are refused with the reason.
"""
