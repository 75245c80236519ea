"""The shop is up: every service and worker says so, through the gateway."""

import pytest
from conftest import Client, Shop, eventually


def test_gateway_sums_up_a_healthy_shop(visitor: Client) -> None:
    assert visitor.get("/health").status_code == 200
    eventually(lambda: visitor.get("/health").json()["status"] == "ok")


def test_catalogue_is_not_empty_after_the_first_start(shop: Shop, visitor: Client) -> None:
    if shop.run_dir is None:
        pytest.skip("a shop that was running already sells what it sells")
    answer = visitor.get("/products", params={"limit": 1})
    assert answer.status_code == 200
    assert len(answer.json()["items"]) == 1


def test_admin_of_the_credentials_file_has_the_role(admin: Client) -> None:
    assert "admin" in admin.get("/users/me").json()["roles"]
