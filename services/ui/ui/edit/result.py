"""Show the result of an edit: before and after, what changed, how well it fits the words, and the ways on from here."""

import io
import zipfile
from functools import partial

import streamlit as st

from framesense.schemas.edits import EditedImage, EditResult, Fit, Preserve
from framesense.schemas.jobs import Job
from ui.api import GatewayApi
from ui.components import BeforeFit, SheetPicture, compare_pictures, picture_sheet
from ui.edit.pictures import small_picture
from ui.edit.reuse import edit_further, show_reuse_error, use_image_settings
from ui.edit.words import NOTICED, WHOLE, agreement_text, change_text, settings_text, short_figures, what_text
from ui.jobs.navigation import show_heading
from ui.wording import percent, plain

COMPARE, CHANGES, REGION = "Before and after", "What changed", "What was to change"
SHOWN_BY_BROWSERS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")
COPY_SIDE = 1600
FITS: dict[Fit, BeforeFit] = {Fit.FIT: "fill", Fit.CROP: "cover", Fit.FILL: "contain"}


def show_result(api: GatewayApi, public: str, job: Job) -> None:
    """Show the result. ``public``: the gateway's address in the browser, which fetches pictures from there."""
    result = _stored_result(job.id, _api=api)
    show_heading(job)
    show_reuse_error()
    image = result.images[0] if len(result.images) == 1 else _choose(api, result)
    _show_image(api, public, result, image)
    if len(result.images) > 1:
        _show_downloads(api, result)


@st.cache_data(show_spinner=False, max_entries=32)
def _stored_result(job_id: str, *, _api: GatewayApi) -> EditResult:
    """Fetch a result once: it never changes."""
    return _api.edit_result(job_id)


def _choose(api: GatewayApi, result: EditResult) -> EditedImage:
    """Show the sheet of all pictures and return the one that is looked at: the best one to begin with."""
    key = f"edit-chosen-{result.job_id}"
    images = {image.index: image for image in result.images}
    chosen = st.session_state.get(key)
    chosen = chosen if chosen in images else result.best if result.best in images else result.images[0].index
    st.caption("Click a picture to see more of it. The figure tells how much better it fits the words than the photo.")
    clicked = picture_sheet(
        pictures=[_sheet_picture(api, result, image) for image in result.images],
        rows=result.rows,
        columns=result.columns,
        chosen=chosen,
        key=f"edit-sheet-{result.job_id}",
    )
    if clicked is not None and clicked != chosen:
        st.session_state[key] = clicked
        st.rerun()
    return images[chosen]


def _sheet_picture(api: GatewayApi, result: EditResult, image: EditedImage) -> SheetPicture:
    in_table = bool(result.rows and result.columns)
    title = "" if in_table else image.row or image.column or f"seed {image.seed}"
    figures = short_figures(image.change, image.agreement)
    place = ", ".join(part for part in (image.row, image.column) if part) or title
    return SheetPicture(
        index=image.index,
        address=small_picture(api, image.image_url),
        title=title,
        figures=figures,
        name=f"{place}, {figures}" if figures else place,
        best=image.index == result.best,
        row=image.row,
        column=image.column,
    )


def _show_image(api: GatewayApi, public: str, result: EditResult, image: EditedImage) -> None:
    left, right = st.columns([3, 2], gap="large")
    with left:
        _show_pictures(api, public, result, image)
    with right:
        st.header(plain(what_text(image.parameters)), anchor=False)
        st.caption(plain(settings_text(image.parameters)))
        _show_figures(image)
        _show_ways_on(api, result, image)
        _show_model(result, image)


def _show_pictures(api: GatewayApi, public: str, result: EditResult, image: EditedImage) -> None:
    views = [COMPARE] if image.photo_url else []
    views += [CHANGES] if image.change_map_url else []
    views += [REGION] if image.mask_url and image.parameters.preserve not in (None, Preserve.NONE) else []
    view = COMPARE
    if len(views) > 1:
        view = st.segmented_control(
            "Shown",
            views,
            default=views[0],
            key=f"edit-view-{result.job_id}",
            required=True,
            label_visibility="collapsed",
        )
    if view == CHANGES:
        _show_map(api.picture(image.change_map_url or ""), "White where it changed most")
    elif view == REGION:
        _show_map(api.picture(image.mask_url or ""), "White where it was to change")
    elif image.photo_url:
        compare_pictures(
            before=_photo_address(api, public, image),
            after=f"{public}{image.image_url}",
            size=(image.width, image.height),
            fit=FITS[image.parameters.fit],
            key=f"edit-compare-{result.job_id}",
        )
    else:
        st.image(f"{public}{image.image_url}", alt="The picture that was made")


def _show_map(picture: bytes, caption: str) -> None:
    with st.container(border=True):  # a map may be white all over, as the page is
        st.image(picture, alt=caption)
        st.caption(caption)


def _photo_address(api: GatewayApi, public: str, image: EditedImage) -> str:
    """Return the address of the photo as it was sent, where browsers can show such a file; else a copy."""
    if image.photo.lower().endswith(SHOWN_BY_BROWSERS):
        return f"{public}{image.photo_url}"
    return small_picture(api, image.photo_url, COPY_SIDE)


def _show_figures(image: EditedImage) -> None:
    agreement, change = image.agreement, image.change
    with st.container(horizontal=True, gap="large"):
        if agreement:
            gain = f"{agreement.gain:+.2f}" if abs(agreement.gain) >= NOTICED else None
            explanation = "Cosine of picture and words in the tagger's space; below it, how much better than the photo."
            st.metric("Fits the words", f"{agreement.after:.2f}", gain, help=explanation, width="content")
        if change:
            whole = change.region >= WHOLE
            changed = percent(change.inside if whole else change.outside)
            explanation = "Mean difference of the colours, of what there is between black and white."
            label = "Changed" if whole else "Changed outside"
            st.metric(label, changed, help=explanation, width="content")
    sentences = agreement_text(agreement) if agreement else []
    sentences += change_text(change) if change else []
    st.markdown(plain(" ".join(sentences)))


def _show_ways_on(api: GatewayApi, result: EditResult, image: EditedImage) -> None:
    stem = f"{_stem(result.name)}-{image.index + 1}"
    with st.container(horizontal=True):
        st.download_button(
            "Download PNG",
            partial(api.picture, image.image_url or ""),
            f"{stem}.png",
            "image/png",
            type="primary",
            icon=":material/download:",
            on_click="ignore",
            key=f"edit-png-{image.index}",
            help="The settings are in its metadata.",
        )
        st.button("Edit this further", icon=":material/redo:", on_click=edit_further, args=[api, image, f"{stem}.png"])
        if not image.parameters.task.restores:
            st.button("Use these settings", icon=":material/tune:", on_click=use_image_settings, args=[api, image])


def _show_model(result: EditResult, image: EditedImage) -> None:
    model = f"{result.model.family} ({result.model.name})"
    made = f"Made by {model} in {image.seconds:.1f} s: {image.method}. {image.width} × {image.height} pixels."
    notes = [f"{note[0].upper()}{note[1:].rstrip('.')}." for note in image.notes if note]
    if result.model.note:
        notes.append(result.model.note)
    st.caption(plain(" ".join([made, *dict.fromkeys(notes)])))


def _show_downloads(api: GatewayApi, result: EditResult) -> None:
    st.header("Take it away", anchor=False)
    stem = _stem(result.name)
    with st.container(horizontal=True):
        if result.contact_sheet_url:
            st.download_button(
                "Contact sheet",
                _contact_sheet(result.contact_sheet_url, _api=api),
                f"{stem}-sheet.png",
                "image/png",
                icon=":material/grid_on:",
                on_click="ignore",
                key=f"edit-contact-sheet-{result.job_id}",
            )
        st.download_button(
            "All pictures",
            partial(_zip, api, result),
            f"{stem}.zip",
            "application/zip",
            icon=":material/folder_zip:",
            on_click="ignore",
            key=f"edit-zip-{result.job_id}",
        )


@st.cache_data(show_spinner=False, max_entries=4)
def _contact_sheet(path: str, *, _api: GatewayApi) -> bytes:
    """Fetch the sheet beforehand, not upon the click: a click just after another one would ask for what the page no
    longer offers.
    """
    return _api.picture(path)


def _zip(api: GatewayApi, result: EditResult) -> bytes:
    """Zip all pictures without compression: PNGs are as small as they get."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for image in result.images:
            place = "-".join(part.replace("/", "_") for part in (image.row, image.column) if part)
            name = f"{image.index + 1:03}-{place or image.seed}.png"
            archive.writestr(name, api.picture(image.image_url or ""))
        if result.contact_sheet_url:
            archive.writestr("contact-sheet.png", api.picture(result.contact_sheet_url))
        archive.writestr("result.json", result.model_dump_json(indent=2, exclude_none=True))
    return stream.getvalue()


def _stem(name: str) -> str:
    return (name.rpartition(".")[0] or name or "picture") + "-edited"
