"""The shop is up: every service and worker says so, through the gateway."""

from conftest import Client


def test_gateway_sums_up_a_healthy_shop(visitor: Client) -> None:
    answer = visitor.get("/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok", answer.json()


def test_catalogue_is_not_empty_after_the_first_start(visitor: Client) -> None:
    answer = visitor.get("/products", params={"limit": 1})
    assert answer.status_code == 200
    assert len(answer.json()["items"]) == 1


def test_admin_of_the_credentials_file_has_the_role(admin: Client) -> None:
    assert "admin" in admin.get("/users/me").json()["roles"]
