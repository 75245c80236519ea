"""The least that Flask can do: a view that answers a constant. Nothing can be faster on it."""

from flask import Flask, Response

app = Flask(__name__, static_folder=None)
PRODUCT = (
    b'{"id":"c0ffee00-0000-4000-8000-000000000001","sku":"COFFEE-1","name":"Mug","description":"",'
    b'"price":{"amount":1250,"currency":"EUR"},"category":"kitchen","stock":100000,"version":1,'
    b'"created_at":"2026-11-22T10:00:00+00:00","updated_at":"2026-11-22T10:00:00+00:00"}'
)


@app.get("/")
def constant() -> Response:
    return Response(PRODUCT, mimetype="application/json")
