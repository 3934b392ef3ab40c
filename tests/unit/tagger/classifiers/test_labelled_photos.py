"""Labels of photos match a classifier's as people mean them."""

import pytest

from tagger.classifiers.labelled_photos import label_key


@pytest.mark.parametrize("folder", ["Große_Küche", "grosse-Ku\u0308che", "GROSSE  KÜCHE"])
def test_folders_are_labels_however_they_are_written(folder: str) -> None:
    assert label_key(folder) == label_key("große Küche")
