"""`python -m cli` is `docmill`."""

from cli.main import main

main()
