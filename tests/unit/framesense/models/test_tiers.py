"""One setting chooses every service's model, unless a service's own names another."""

import pytest
from pydantic import ValidationError

from captioner.settings import CaptionerSettings
from editor.settings import EditorSettings
from framesense.models.spec import ModelSpec
from framesense.models.tiers import TIERS, Tier
from tagger.settings import TaggerSettings


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FRAMESENSE_TIER", "CAPTIONER_MODEL", "TAGGER_MODEL", "EDITOR_MODEL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("tier", Tier)
def test_the_tier_names_the_models(tier: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMESENSE_TIER", tier)
    names = [CaptionerSettings().captioner_model, TaggerSettings().tagger_model, EditorSettings().editor_model]
    assert names == TIERS[tier].all()
    assert [str(ModelSpec.parse(name)) for name in names] == names


def test_a_services_own_setting_goes_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMESENSE_TIER", "large")
    monkeypatch.setenv("TAGGER_MODEL", "embedded")
    monkeypatch.setenv("CAPTIONER_MODEL", "")  # as docker compose passes on what is not set
    assert TaggerSettings().tagger_model == "embedded"
    assert CaptionerSettings().captioner_model == TIERS[Tier.LARGE].captioner


def test_no_such_tier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMESENSE_TIER", "huge")
    with pytest.raises(ValidationError, match="'embedded', 'standard' or 'large'"):
        CaptionerSettings()
