"""A server of OpenID Connect (idpyoidc) for the tests: people log in by HTTP's basic authentication.

    python oidc_server.py PORT CLIENT_ID FILE_OF_CLIENT_SECRET REDIRECT_URI

Each of its users has the password ``password``.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from idpyoidc.server import Server
from idpyoidc.server.exception import FailedAuthentication

PASSWORD = "password"
GROUPS = {"ada": ["airflow-admins"], "sam": ["sales", "everybody"], "kim": ["everybody"]}
CERTIFICATES = "/jwks"
ENDPOINTS = {
    "provider_config": (
        ".well-known/openid-configuration",
        "idpyoidc.server.oidc.provider_config.ProviderConfiguration",
    ),
    "authorization": ("authorize", "idpyoidc.server.oidc.authorization.Authorization"),
    "token": ("token", "idpyoidc.server.oidc.token.Token"),
    "userinfo": ("userinfo", "idpyoidc.server.oidc.userinfo.UserInfo"),
}


def server(issuer: str, client_id: str, client_secret: str, redirect_uri: str) -> Server:
    """Return a server that knows one client, and its users."""
    made = Server(
        {
            "issuer": issuer,
            "key_conf": {"key_defs": [{"type": "RSA", "use": ["sig"]}], "uri_path": CERTIFICATES.strip("/")},
            "httpc_params": {"verify": False},
            "endpoint": {
                name: {"path": path, "class": class_, "kwargs": {}}
                for name, (path, class_) in ENDPOINTS.items()
            },
            "token_handler_args": {
                "code": {"kwargs": {"lifetime": 60}},
                "token": {"kwargs": {"lifetime": 300}},
                "id_token": {"class": "idpyoidc.server.token.id_token.IDToken", "kwargs": {}},
            },
            "scopes_to_claims": {
                "openid": ["sub"],
                "profile": ["preferred_username", "given_name", "family_name", "groups"],
                "email": ["email"],
            },
            "authentication": {
                "basic": {
                    "acr": "basic",
                    "class": "idpyoidc.server.user_authn.user.BasicAuthn",
                    "kwargs": {"pwd": dict.fromkeys(GROUPS, PASSWORD)},
                }
            },
            "userinfo": {
                "class": "idpyoidc.server.user_info.UserInfo",
                "kwargs": {"db": {name: _claims(name, groups) for name, groups in GROUPS.items()}},
            },
        }
    )
    made.context.cdb[client_id] = {
        "client_id": client_id,
        "client_secret": client_secret,
        "redirect_uris": [(redirect_uri, {})],
        "response_types_supported": ["code"],
        "allowed_scopes": ["openid", "profile", "email"],
    }
    made.keyjar.add_symmetric(client_id, client_secret)
    return made


def _claims(name: str, groups: list[str]) -> dict[str, Any]:
    return {
        "preferred_username": name,
        "given_name": name.title(),
        "family_name": "Example",
        "email": f"{name}@example.org",
        "groups": groups,
    }


class Handler(BaseHTTPRequestHandler):
    """Hands requests to the server's endpoints."""

    op: Server

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == CERTIFICATES:
            self._answer(200, self.op.keyjar.export_jwks_as_json().encode(), [])
        else:
            self._ask(url.path, url.query)

    def do_POST(self) -> None:
        self._ask(urlsplit(self.path).path, self.rfile.read(int(self.headers["Content-Length"])).decode())

    def _ask(self, path: str, query: str) -> None:
        endpoint = next(
            (self.op.endpoint[n] for n, (known, _) in ENDPOINTS.items() if path == f"/{known}"), None
        )
        if endpoint is None:
            return self._answer(404, b"", [])
        about = {"headers": {name.lower(): value for name, value in self.headers.items()}}
        authorization = self.headers.get("Authorization", "")
        if endpoint.name == "authorization" and not authorization:
            return self._answer(401, b"", [("WWW-Authenticate", "Basic realm=oidc")])
        try:
            request = endpoint.parse_request(query, http_info=about)
            found = endpoint.process_request(request, http_info=about, authn=authorization)
        except FailedAuthentication as error:
            return self._answer(401, str(error).encode(), [])
        if "error" in found:
            return self._answer(400, json.dumps(dict(found)).encode(), [])
        answer = endpoint.do_response(request=request, **found)
        if endpoint.response_placement == "url":
            return self._answer(303, b"", [("Location", answer["response"])])
        return self._answer(200, answer["response"].encode(), answer["http_headers"])

    def _answer(self, status: int, body: bytes, headers: list[tuple[str, str]]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve until it is ended."""
    port, client_id, secret, redirect_uri = sys.argv[1:]
    Handler.op = server(f"http://localhost:{port}", client_id, Path(secret).read_text().strip(), redirect_uri)
    ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main()
