"""How gunicorn serves the gateway: `gunicorn -c gunicorn.conf.py 'gateway.app:create_app()'`."""

import os

from gateway.chassis.environment import read_or_exit
from gateway.chassis.exposition import show_all
from gateway.chassis.serving_greenlets import Worker
from gateway.chassis.serving_logs import Quiet, for_gunicorn
from gateway.server import answer_with_problems
from gateway.settings import Settings

# A wrong setting ends the start with its sentence, before any worker.
settings = read_or_exit(Settings)
answer_with_problems()

bind = os.environ.get("BIND", "127.0.0.1:8080")
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
worker_class = Worker
timeout = 30
limit_request_line = 8190  # bytes; a question for fifty products is long
limit_request_fields = 90  # services take a hundred, and some are added here
graceful_timeout = 20
keepalive = 75
logger_class = Quiet
logconfig_dict = for_gunicorn("gateway")
when_ready, child_exit, on_exit = show_all(settings.metrics_bind)
forwarded_allow_ips = ""  # who may say X-Forwarded-*: TRUSTED_PROXIES decides, not gunicorn
control_socket_disable = True
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108 — heartbeat file
