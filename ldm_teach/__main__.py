"""python -m ldm_teach: the command line."""

from ldm_teach.cli.main import main

if __name__ == "__main__":
    main()
