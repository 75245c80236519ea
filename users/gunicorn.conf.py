"""How gunicorn serves users: `gunicorn -c gunicorn.conf.py 'users.app:create_app()'`."""

import os

from users.chassis.environment import read_or_exit
from users.chassis.exposition import show_all
from users.chassis.serving_logs import Quiet, for_gunicorn
from users.chassis.serving_threads import Worker
from users.settings import Settings

# A wrong setting ends the start with its sentence, before any worker.
settings = read_or_exit(Settings)

bind = os.environ.get("BIND", "127.0.0.1:8001")
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
worker_class = Worker
threads = int(os.environ.get("THREADS", "8"))
timeout = 30
limit_request_line = 8190  # bytes; a question for fifty products is long
graceful_timeout = 20
keepalive = 75  # the gateway keeps its connections
logger_class = Quiet
logconfig_dict = for_gunicorn("users")
when_ready, child_exit, on_exit = show_all(settings.metrics_bind)
control_socket_disable = True
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108 — heartbeat file
