import os
from pathlib import Path


def credential(name):
    return Path(os.environ["CREDENTIALS_DIRECTORY"], name).read_text().strip()


from flask_appbuilder.const import AUTH_OAUTH

AUTH_TYPE = AUTH_OAUTH
OAUTH_PROVIDERS = [
    {
        "name": "oidc",
        "icon": "fa-key",
        "token_key": "access_token",
        "remote_app": {
            "client_id": "airflow",
            "client_secret": credential("oidc-client-secret"),
            "server_metadata_url": "http://localhost:9400/.well-known/openid-configuration",
            "client_kwargs": {"scope": "openid profile email"},
        },
    }
]
AUTH_USER_REGISTRATION = True
AUTH_USER_REGISTRATION_ROLE = "Public"
AUTH_ROLES_MAPPING = {"airflow-admins":["Admin"],"sales":["AccountManager"]}
AUTH_ROLES_SYNC_AT_LOGIN = True
