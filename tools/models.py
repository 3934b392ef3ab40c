"""``make models``: fetches what a tier, or a model by its name, needs, with the settings of the file .env."""

import os
import sys

from tools.settings import environment


def main() -> int:
    os.environ.update(environment())
    # Imported late: the hub's client reads HF_HOME, HF_ENDPOINT and HF_TOKEN once, when it is imported.
    from framesense.models.hub import main as fetch

    return fetch(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
