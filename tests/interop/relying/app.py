# SPDX-License-Identifier: AGPL-3.0-or-later
"""A small app with Authlib: signs in by discovery, code, PKCE and nonce, and shows what it learned.

In the environment: ISSUER, CLIENT_ID, CLIENT_SECRET, PORT.
"""
import os

from authlib.integrations.flask_client import OAuth
from flask import Flask, jsonify, redirect, session

app = Flask(__name__)
app.secret_key = os.urandom(32)
home = OAuth(app).register(
    "home",
    client_id=os.environ["CLIENT_ID"],
    client_secret=os.environ["CLIENT_SECRET"],
    server_metadata_url=os.environ["ISSUER"] + "/.well-known/openid-configuration",
    client_kwargs={"scope": "openid email profile groups offline_access", "code_challenge_method": "S256"},
)
CALLBACK = f"http://127.0.0.1:{os.environ['PORT']}/callback"


@app.get("/")
def index():
    return jsonify(session.get("seen") or {})


@app.get("/in")
def sign_in():
    return home.authorize_redirect(CALLBACK)


@app.get("/callback")
def callback():
    # Verifies the ID token's signature, issuer, audience, nonce and at_hash.
    token = home.authorize_access_token()
    person = home.userinfo(token=token)
    renewed = home.fetch_access_token(grant_type="refresh_token", refresh_token=token["refresh_token"])
    session["seen"] = {
        "claims": dict(token["userinfo"]),
        "person": dict(person),
        "renewed": renewed["access_token"] != token["access_token"],
    }
    return redirect("/")


app.run(host="127.0.0.1", port=int(os.environ["PORT"]))
