"""`python -m hark.app.cli` is `hark`."""

from hark.app.cli.main import main

if __name__ == "__main__":
    main()
