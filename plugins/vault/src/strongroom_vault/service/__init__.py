"""The vault as a service of its own: ``python -m strongroom_vault serve``, which is ``strongroom vault serve``."""
