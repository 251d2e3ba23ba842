"""``python -I -m strongroom.guest.starter`` is ``strongroom-runner``, for a host that starts it itself."""

from strongroom.guest.starter.program import main

if __name__ == "__main__":
    main()
