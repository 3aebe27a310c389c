"""The entry point: `flask` finds the application here, `python app.py` runs everything."""

import sys

from newsletter.factory import create_app

__all__ = ["create_app"]

if __name__ == "__main__":
    # Not at the top: `flask` looks for the application here too, and starts no processes.
    from newsletter.supervisor import main

    sys.exit(main())
