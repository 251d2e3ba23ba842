"""The same plugin as a process: ``command: [python, -m, strongroom_cron_trigger]``."""

from strongroom.plugin.serve import serve
from strongroom_cron_trigger.plugin import CronTrigger

if __name__ == "__main__":
    serve(CronTrigger)
