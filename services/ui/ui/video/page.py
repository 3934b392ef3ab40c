"""Find the odd moments of a video. ``?job=`` names the one that is shown, so that a result has an address."""

from functools import partial

from framesense.schemas.jobs import JobKind
from ui.jobs.page import show_job_page
from ui.settings import UiSettings
from ui.video.result import show_result
from ui.video.start import show_start

show_job_page([JobKind.VIDEO], start=show_start, result=partial(show_result, guess_below=UiSettings().guess_below))
