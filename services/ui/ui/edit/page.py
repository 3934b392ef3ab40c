"""Change a photo by words, and see what else changed. ``?job=`` names the edit that is shown."""

from ui.edit.history import KINDS
from ui.edit.result import show_result
from ui.edit.running import watch_edit
from ui.edit.start import show_start
from ui.jobs.page import show_job_page

show_job_page(KINDS, start=show_start, result=show_result, watch=watch_edit)
