"""Captions of a video that are likelier wrong than right: words that fit the picture come first, then "perhaps:"."""

import streamlit as st

from framesense.schemas.captions import hedged, is_guess, words_or_caption
from framesense.schemas.novelty import Frame, NoveltyCurve, VideoResult
from framesense.wording import counted
from ui.wording import plain


def show_doubts(result: VideoResult, guess_below: float) -> None:
    """Say how many captions are guesses, and what to know about the captioner; show nothing where none is."""
    guesses = sum(is_guess(frame.confidence, guess_below) for frame in result.frames)
    if not guesses:
        return
    notes = [model.note for model in result.models if model.service == "captioner" and model.note]
    how_many = f"{doubts_text(guesses, len(result.frames))}, likelier wrong than right."
    st.caption(plain(" ".join([how_many, *notes])))


def doubts_text(guesses: int, captions: int) -> str:
    """Say how many captions are guesses: ``All 121 captions are guesses``, ``Of 121 captions, 1 is a guess``."""
    if guesses == captions:
        return "The caption is a guess" if captions == 1 else f"All {counted(captions, 'caption')} are guesses"
    return f"Of {counted(captions, 'caption')}, {counted(guesses, 'is a guess', 'are guesses')}"


def hedge_frames(result: VideoResult, guess_below: float) -> list[Frame]:
    """Return the frames, captions that are guesses marked so."""
    return [
        frame.model_copy(update={"caption": hedged(frame.caption, frame.confidence, guess_below, frame.words)})
        for frame in result.frames
    ]


def hedge_moments(curve: NoveltyCurve, guess_below: float) -> NoveltyCurve:
    """Return the curve; of a moment whose caption is a guess its picture's colours and words are told instead."""
    moments = [
        moment.model_copy(
            update={
                "caption": words_or_caption(
                    moment.caption, moment.confidence, guess_below, moment.words, moment.colours
                )
            }
        )
        for moment in curve.moments
    ]
    return curve.model_copy(update={"moments": moments})
