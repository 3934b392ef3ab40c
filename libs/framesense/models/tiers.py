"""Three sets of models, chosen by one setting, FRAMESENSE_TIER: what a service loads unless its own setting says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Tier(StrEnum):
    EMBEDDED = "embedded"
    """Models that ship with Framesense: any machine, no download."""
    STANDARD = "standard"
    """Models that people know, for a GPU of 6 GB, or patience."""
    LARGE = "large"
    """Better and slower, for a GPU of 16 GB."""


@dataclass(frozen=True)
class TierModels:
    """The models' names, as :class:`framesense.models.spec.ModelSpec` reads them."""

    captioner: str
    tagger: str
    editor: str

    def all(self) -> list[str]:
        return [self.captioner, self.tagger, self.editor]


TIERS: dict[Tier, TierModels] = {
    Tier.EMBEDDED: TierModels("embedded", "embedded", "embedded"),
    Tier.STANDARD: TierModels(
        captioner="hf:Salesforce/blip-image-captioning-base",
        tagger="open_clip:ViT-B-32/laion2b_s34b_b79k",
        editor="hf:stable-diffusion-v1-5/stable-diffusion-v1-5",
    ),
    Tier.LARGE: TierModels(
        captioner="hf:Salesforce/blip-image-captioning-large",
        tagger="open_clip:ViT-L-14/laion2b_s32b_b82k",
        editor="hf:stabilityai/sdxl-turbo",
    ),
}
