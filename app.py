"""The entry point: `flask` finds the application here, `python app.py` runs everything."""

import sys

from newsletter.factory import create_app
from newsletter.supervisor import main

__all__ = ["create_app"]

if __name__ == "__main__":
    sys.exit(main())
