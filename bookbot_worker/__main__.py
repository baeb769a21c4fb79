"""`python -m bookbot_worker`, the same as the installed `bookbot-worker`."""

from bookbot_worker.cli.main import main

if __name__ == "__main__":
    main()
