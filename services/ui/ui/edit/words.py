"""Settings and figures of an edit as people read them."""

from framesense.schemas.edits import Change, EditParameters, Preserve, PromptSimilarity, Task
from framesense.wording import counted
from ui.wording import percent

TASK_NAMES = {
    Task.EDIT: "Edit",
    Task.GENERATE: "From words alone",
    Task.DENOISE: "Noise removed",
    Task.UPSCALE_X2: "Twice as large",
    Task.UPSCALE_X4: "Four times as large",
}
NOTICED = 0.005
"""A smaller change of a cosine is none."""
WHOLE = 0.995
"""A region of this share of the picture is all of it."""
UNCHANGED = 0.5 / 255
"""A mean difference below this is less than half a step of the 256 that a colour has."""


def settings_text(parameters: EditParameters) -> str:
    """Write the settings: ``strength 0.5 · 30 steps · guidance 4 · seed 7 · DDIM``, as far as they are known."""
    if parameters.task.restores:
        return TASK_NAMES[parameters.task]
    parts = [] if parameters.task is Task.GENERATE else [f"strength {parameters.strength:g}"]
    if parameters.steps is not None:
        parts.append(counted(parameters.steps, "step"))
    if parameters.guidance_scale is not None:
        parts.append(f"guidance {parameters.guidance_scale:g}")
    if parameters.seed is not None:
        parts.append(f"seed {parameters.seed}")
    if parameters.scheduler is not None:
        parts.append(parameters.scheduler.label)
    if parameters.preserve is Preserve.AUTO:
        parts.append("only what the words name")
    if parameters.preserve is Preserve.MASK:
        parts.append("only what was painted")
    if parameters.negative_prompt:
        parts.append(f"not: {parameters.negative_prompt}")
    return " · ".join(parts)


def what_text(parameters: EditParameters) -> str:
    """Name what was asked for: the words, or the restoration."""
    return TASK_NAMES[parameters.task] if parameters.task.restores else f"“{parameters.prompt}”"


def agreement_text(agreement: PromptSimilarity) -> list[str]:
    """Tell in sentences how well a picture fits the words, and how like the photo it still is."""
    before, after = f"{agreement.before:.2f}", f"{agreement.after:.2f}"
    if agreement.gain >= NOTICED:
        fits = f"It fits the words better than the photo did: {before} → {after}."
    elif agreement.gain <= -NOTICED:
        fits = f"It fits the words less well than the photo did: {before} → {after}."
    else:
        fits = f"It fits the words no better and no worse than the photo did: {after}."
    return [fits, f"Its likeness to the photo is {agreement.photo_similarity:.2f} (1: the same)."]


def change_text(change: Change) -> list[str]:
    """Tell in sentences what changed."""
    if change.region >= WHOLE:
        return [f"The whole picture was to change; it did by {percent(change.inside)} on average."]
    region = f"{percent(change.region)} of the picture was to change; it did by {percent(change.inside)} on average."
    if change.outside < UNCHANGED:
        return [region, "Outside nothing changed."]
    outside = f"Outside it changed by {percent(change.outside)}"
    if change.ssim_outside is not None:
        outside += f" (structural similarity {change.ssim_outside:.3f})"
    return [region, outside + "."]


def short_figures(change: Change | None, agreement: PromptSimilarity | None) -> str:
    """Write the figure for a small picture: how much better the words fit, else how much changed."""
    if agreement is not None:
        return f"{agreement.gain:+.2f}".replace("-", "−") if abs(agreement.gain) >= NOTICED else "0.00"
    return percent(change.inside) if change is not None else ""
