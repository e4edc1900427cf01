"""`python -m codectk` is the `codectk` command."""

from codectk.cli.main import main

if __name__ == "__main__":
    main()
