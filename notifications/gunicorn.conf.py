"""How gunicorn serves `notifications.app:create_app()`: gunicorn -c gunicorn.conf.py …"""

import os

from notifications.chassis.environment import read_or_exit
from notifications.chassis.exposition import show_all
from notifications.chassis.serving_greenlets import Worker
from notifications.chassis.serving_logs import Quiet, for_gunicorn
from notifications.settings import Settings

# A wrong setting ends the start with its sentence, before any worker.
settings = read_or_exit(Settings)

bind = os.environ.get("BIND", "127.0.0.1:8004")
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
worker_class = Worker
timeout = 30
limit_request_line = 8190  # bytes; a question for fifty products is long
graceful_timeout = 20
keepalive = 75  # the gateway keeps its connections
logger_class = Quiet
logconfig_dict = for_gunicorn("notifications")
when_ready, child_exit, on_exit = show_all(settings.metrics_bind)
control_socket_disable = True
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108 — heartbeat file
