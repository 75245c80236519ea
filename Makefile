# The commands of the whole shop. Each is one script that can be read and run alone.
PYTHON ?= python3
ARGS ?=
SERVICES := $(patsubst %/src/,%,$(wildcard */src/))
SHOP := $(PYTHON) compose/embedded/shop.py
TOOLS := ci/.venv/bin

.DEFAULT_GOAL := help
.PHONY: help up down status logs trace demo test test-real test-mongo test-defects test-clients chaos \
    chaos-mongo bench bench-overload bench-events profile mutation fuzz lint contracts contracts-check clients \
    chassis docs site lock split new-service test-split learn test-course test-new-service test-images test-cluster \
    test-deploy secrets test-chaos test-compose test-nix clean tools

help: ## show this list
	@echo "The shop: make COMMAND [GATEWAY_PORT=8080] [PYTHON=python3] [ARGS=...]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: ## install, start everything, wait until it is ready, and say where to go
	@$(SHOP) up

down: ## stop everything; the data stays in .run
	@$(SHOP) down

status: ## which processes run, and what the gateway says about their health
	@$(SHOP) status

logs: ## follow the logs; of one service: make logs ARGS=orders
	@$(SHOP) logs $(ARGS)

trace: ## one order's way through the services as a tree with times, from the logs: ORDER=<id>
	@$(PYTHON) ci/follow.py $(ORDER) $(ARGS)

demo: ## walk a customer's story through the gateway, printing each step
	@$(PYTHON) ci/demo.py $(ARGS)

test: ## every test of every service, then the end-to-end story, on embedded parts
	@$(SHOP) install --test
	@$(SHOP) install ci
	@$(PYTHON) ci/test.py $(ARGS)

test-real: ## the worker and end-to-end tests on real RabbitMQ and Redis
	@$(SHOP) install --test
	@$(SHOP) install ci
	@$(PYTHON) ci/real_servers.py $(PYTHON) ci/test.py --real $(ARGS)

test-mongo: ## every test of every service and the story on MongoDB 8, RabbitMQ and Redis; needs Docker
	@$(SHOP) install --test
	@$(SHOP) install ci
	@$(PYTHON) ci/real_servers.py --mongo $(PYTHON) ci/test.py $(ARGS)

test-compose: ## the end-to-end tests on the containers of compose.yaml; needs Docker
	@$(SHOP) install $(SERVICES) ci
	@test -d compose/secrets || $(PYTHON) compose/make_secrets.py
	@$(TOOLS)/python ci/compose_story.py $(ARGS)

test-nix: ## the end-to-end tests on what Nix builds of each service; needs Nix
	@$(SHOP) install compose/embedded ci
	@$(TOOLS)/python ci/nix_story.py $(ARGS)

chaos-mongo: ## the chaos, on that MongoDB as well
	@$(SHOP) install
	@$(SHOP) install ci
	@$(PYTHON) ci/real_servers.py --mongo $(TOOLS)/python ci/chaos/chaos.py $(ARGS)

chaos: ## things go wrong while customers buy; nothing may be lost: SEED= ROUNDS= … COMPOSE=1
	@$(SHOP) install
	@$(SHOP) install ci
	@$(TOOLS)/python ci/chaos/chaos.py $(ARGS)

test-chaos: ## the chaos can fail: without a safeguard its checks turn red (20 minutes)
	@$(SHOP) install
	@$(SHOP) install ci
	@$(TOOLS)/python -m pytest -v ci/chaos $(ARGS)

test-defects: ## sixteen defects of the course this shop comes from, and that it has none of them
	@$(SHOP) install
	@$(SHOP) install ci
	@cd ci && .venv/bin/python -m pytest -v e2e/test_defects.py $(ARGS)

test-clients: clients ## those clients and Swagger UI in use; needs Node.js and Chromium
	@$(SHOP) install
	@cd ci/clients && .venv/bin/python -m pytest -v $(ARGS)

fuzz: ## every operation of every service, by its contract: EXAMPLES=40 (of each) SEED=1
	@$(SHOP) install
	@$(SHOP) install ci/fuzz
	@cd ci/fuzz && EXAMPLES=$(EXAMPLES) SEED=$(SEED) .venv/bin/python -m pytest -v $(ARGS)

bench: ## beside the Node stack that it replaces, in ratios (15 minutes); ARGS="--only cached"
	@$(SHOP) install
	@$(SHOP) install ci
	@$(TOOLS)/python ci/bench/bench.py $(ARGS)

bench-overload: ## twice as many orders are asked of it as it can answer; ARGS="--seconds 30"
	@$(SHOP) install
	@$(SHOP) install ci
	@$(TOOLS)/python ci/bench/overload.py $(ARGS)

bench-events: ## how fast events are told and handled, on the embedded broker and on RabbitMQ
	@$(SHOP) install
	@$(SHOP) install ci
	@$(TOOLS)/python ci/bench/events.py $(ARGS)
	@$(PYTHON) ci/real_servers.py $(TOOLS)/python ci/bench/events.py $(ARGS)

profile: ## where the time of a request goes, as pictures in docs/reference/profile.md (needs wrk)
	@$(SHOP) install
	@$(SHOP) install ci
	@$(TOOLS)/python ci/bench/request_profile.py $(ARGS)

mutation: ## break each rule of orders and products; tests must notice (long): SERVICE=orders
	@$(SHOP) install --test
	@$(SHOP) install ci
	@$(TOOLS)/python ci/mutation.py $(SERVICE)

learn: ## grade this copy by what the episodes of docs/tutorial say must hold: EPISODE=05
	@$(SHOP) install --test
	@$(SHOP) install ci
	@$(PYTHON) ci/learn/learn.py $(EPISODE)

test-course: ## every command of every episode, with its output, in a temporary copy (needs curl and jq)
	@$(SHOP) install ci
	@cd ci/learn && ../.venv/bin/python -m pytest -v $(ARGS)

lint: tools ## ruff, the rule of imports, the copied files, the locks, what is generated
	@$(TOOLS)/ruff check .
	@# Pages quote code as it stands there. Excluded beside what ruff leaves alone by itself, as .venv.
	@$(TOOLS)/ruff format --check --config 'extend-exclude = ["*.md"]' .
	@for folder in $(SERVICES); do \
	    echo "imports of $$folder"; \
	    (cd $$folder && PYTHONPATH=src ../$(TOOLS)/lint-imports --no-logo) || exit 1; \
	done
	@$(PYTHON) ci/chassis.py --check
	@$(PYTHON) ci/learn/quotes.py --check
	@git apply --check docs/tutorial/*-break.diff
	@$(TOOLS)/python ci/lock.py --check
	@$(TOOLS)/python ci/docs/generated.py --check
	@$(TOOLS)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml \
	    ci/alone/ci.yml
	@$(TOOLS)/check-jsonschema --builtin-schema vendor.compose-spec compose/compose*.yaml
	@$(TOOLS)/zizmor --offline --quiet .github/workflows ci/alone/ci.yml

docs: tools ## write what the docs quote of the code, the reference, and the drawing (needs Node.js)
	@$(TOOLS)/python ci/docs/generated.py
	@$(PYTHON) ci/learn/quotes.py

site: ## build docs, READMEs and decisions as one searchable site, links checked; says where
	@$(SHOP) install ci/docs
	@ci/docs/.venv/bin/python ci/docs/build.py
	@cd ci/docs && .venv/bin/python -m pytest -q

contracts: tools ## write contracts/<service>.openapi.json from the services, and what is made of it
	@$(SHOP) install
	@$(PYTHON) ci/contracts/write.py
	@$(TOOLS)/python ci/contracts/models.py

clients: ## make a Python and a TypeScript client and a Postman collection; needs Node.js
	@$(SHOP) install ci/clients
	@PYTHONPATH=ci ci/clients/.venv/bin/python ci/clients/generate.py

contracts-check: ## no promise breaks silently; Redocly's and OWASP's rules; needs Node.js
	@$(SHOP) install ci
	@PYTHONPATH=ci $(PYTHON) ci/contracts/check.py
	@cd ci && .venv/bin/python -m pytest -q contracts

chassis: ## copy the chassis (files all services hold) from its origin, orders
	@$(PYTHON) ci/chassis.py

lock: tools ## write every lock and wheels.json; newer versions: make lock ARGS=--upgrade
	@$(TOOLS)/python ci/lock.py $(ARGS)

split: ## lay a service into an empty folder as its own repository: SERVICE=users [INTO=folder]
	@$(PYTHON) ci/split.py $(SERVICE) $(if $(INTO),--into '$(INTO)')

new-service: tools ## begin a service as a copy of notifications, wired everywhere: NAME=reviews
	@$(TOOLS)/python ci/new_service.py $(NAME)
	@$(MAKE) --no-print-directory contracts
	@-$(MAKE) --no-print-directory docs

test-new-service: tools ## a sixth service, as new-service leaves it, in a temporary copy
	@cd ci && .venv/bin/python -m pytest -v tests/test_new_service.py $(ARGS)

test-split: tools ## split every service out, and test, check and start it there; one: SERVICE=users
	@cd ci && .venv/bin/python -m pytest -v tests/test_split.py $(if $(SERVICE),-k $(SERVICE)) $(ARGS)

test-images: tools ## build the images, and look for what they should not be; needs Docker
	@for folder in $(SERVICES); do \
	    echo "image of $$folder"; \
	    $(TOOLS)/hadolint $$folder/Dockerfile || exit 1; \
	    docker build --quiet --tag shop/$$folder $$folder || exit 1; \
	    $(TOOLS)/container-structure-test test --image shop/$$folder \
	        --config $$folder/image.yaml || exit 1; \
	done

test-cluster: ## kill and replace containers of the cluster while people buy: RATE=2; needs Docker
	@$(SHOP) install ci
	@cd ci/replicas && RATE=$(RATE) ../.venv/bin/python -m pytest -sv $(ARGS)

test-deploy: tools ## a compose host is brought to images, and back; needs Docker and docker-registry
	@cd ci && .venv/bin/python -m pytest -v deploy $(ARGS)

secrets: ## make the passwords of the containers, once, in compose/secrets
	@$(PYTHON) compose/make_secrets.py

clean: ## remove environments and caches; the data in .run stays
	rm -rf $(addsuffix /.venv,$(SERVICES)) ci/.venv ci/fuzz/.venv compose/embedded/.venv
	rm -rf $(addprefix ci/docs/,.venv node_modules out)
	rm -rf .ruff_cache
	rm -rf $(addprefix ci/clients/,.venv node_modules out)
	rm -rf ci/bench/express/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

tools:
	@$(SHOP) install ci > /dev/null
