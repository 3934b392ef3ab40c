"""What a video file holds."""

from typing import Annotated

from pydantic import BaseModel, Field

VideoStreamNumber = Annotated[int, Field(ge=0, le=9999)]
"""A stream's place in its file, all streams counted from 0, sound and subtitles too, as ffprobe counts them."""


class VideoStreamInfo(BaseModel):
    """A video in a file, which may hold several."""

    number: VideoStreamNumber
    width: int = Field(ge=0, description="pixels, as stored")
    height: int = Field(ge=0, description="pixels, as stored")
    codec: str
    shown_first: bool = Field(default=False, description="whether players show this one; so it is looked at by default")


class VideoProbe(BaseModel):
    """What is known of a file before it is decoded. Its header may be wrong: use it for plans only."""

    duration: float | None = Field(default=None, description="seconds of the video that is meant, as a player shows")
    spans: list[float] = Field(
        default_factory=list, description="seconds of each stretch for which there are frames; between them are holes"
    )
    frame_interval: float = Field(default=0.0, description="seconds from frame to frame where they are quick")
    video_stream: VideoStreamNumber | None = Field(
        default=None, description="the stream that is meant; null where the file has no video of the number given"
    )
    video_streams: list[VideoStreamInfo] = Field(default_factory=list, description="all videos in the file")
