"""Tag a zip of photos and learn how the set is made. ``?job=`` names the one that is shown."""

from framesense.schemas.jobs import JobKind
from ui.jobs.page import show_job_page
from ui.photo_sets.report import show_report
from ui.photo_sets.start import show_start

show_job_page([JobKind.PHOTO_SET], start=show_start, result=show_report)
