"""Debian's MySQL, Redis and nginx under the names, users and sockets that NixOS gives them.

What the modules ask of those services is in the rendered host.json; the units here do the same with it.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.machine.files import write

# What NixOS denies MySQL and Redis both.
SANDBOX = """\
CapabilityBoundingSet=
LockPersonality=true
MemoryDenyWriteExecute=true
NoNewPrivileges=true
PrivateDevices=true
PrivateMounts=true
PrivateTmp=true
ProtectControlGroups=true
ProtectHome=true
ProtectHostname=true
ProtectKernelModules=true
ProtectKernelTunables=true
ProtectSystem=strict
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictRealtime=true
RestrictSUIDSGID=true
SystemCallArchitectures=native
"""
# And Redis alone.
REDIS_SANDBOX = """\
PrivateUsers=true
ProtectClock=true
ProtectKernelLogs=true
RestrictNamespaces=true
"""
MYSQL_UNIT = f"""\
[Unit]
Description=MySQL
After=network.target

[Service]
Type=notify
User=mysql
Group=mysql
RuntimeDirectory=mysqld
RuntimeDirectoryMode=0755
StateDirectory=mysql
StateDirectoryMode=0700
ExecStart=/usr/sbin/mysqld --defaults-file=/etc/my.cnf
ExecStartPost=+/bin/sh -c "exec mysql --defaults-file=/etc/my.cnf < /etc/mysql-ensure.sql"
Restart=on-abnormal
RestartSec=5s
{SANDBOX}
[Install]
WantedBy=multi-user.target
"""
# In place of what the modules set: where Debian has things, and less memory and disk than servers take.
MYSQL_SETTINGS = {
    "datadir": "/var/lib/mysql",
    "socket": "/run/mysqld/mysqld.sock",
    "pid-file": "/run/mysqld/mysqld.pid",
    "log-error": "stderr",
    "plugin-load-add": "auth_socket.so",
    "innodb_redo_log_capacity": "16M",
}
REDIS_UNIT = f"""\
[Unit]
Description=Redis for {{name}}
After=network.target

[Service]
Type=notify
User={{user}}
Group={{user}}
RuntimeDirectory=redis-{{name}}
RuntimeDirectoryMode=0750
StateDirectory=redis-{{name}}
StateDirectoryMode=0700
UMask=0077
LimitNOFILE=10032
{SANDBOX}{REDIS_SANDBOX}{{prepare}}ExecStart=/usr/bin/redis-server /etc/redis-{{name}}.conf

[Install]
WantedBy=multi-user.target
"""
# The password is in no file of the configuration, and in none that others can read.
REDIS_PASSWORD = (
    'ExecStartPre=+/bin/sh -euc \'umask 077; printf "requirepass %%s\\\\n" "$$(cat {file})" > {target}; '
    "chown {user} {target}'\n"
)
NGINX_UNIT = """\
[Unit]
Description=nginx
After=network.target

[Service]
{prepare}ExecStart=/usr/sbin/nginx -c {configuration}
ExecReload=/bin/kill -HUP $MAINPID
RuntimeDirectory=nginx
Restart=always

[Install]
WantedBy=multi-user.target
"""
# What NixOS has until ACME has given it another one.
NGINX_CERTIFICATE = (
    "ExecStartPre=/usr/bin/openssl req -quiet -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN={name} "
    "-keyout /run/nginx/key.pem -out /run/nginx/certificate.pem\n"
)
NGINX_PLAIN = "server {{\nlisten 80;\nserver_name {name};\n{locations}}}\n"
NGINX_TLS = (
    "server {{\nlisten 80;\nserver_name {name};\nreturn 301 https://$host$request_uri;\n}}\n"
    "server {{\nlisten 443 ssl;\nserver_name {name};\nssl_certificate /run/nginx/certificate.pem;\n"
    "ssl_certificate_key /run/nginx/key.pem;\n{locations}}}\n"
)
NGINX = """\
daemon off;
error_log stderr;
pid /run/nginx/nginx.pid;
user www-data;
events {{}}
http {{
  access_log off;
  include /etc/nginx/mime.types;
  map $http_upgrade $connection_upgrade {{
    default upgrade;
    "" close;
  }}
{servers}}}
"""
NGINX_WEBSOCKETS = """\
proxy_http_version 1.1;
proxy_set_header Upgrade $http_upgrade;
proxy_set_header Connection $connection_upgrade;
"""
NGINX_RECOMMENDED = """\
proxy_set_header Host $host;
proxy_set_header X-Real-IP $remote_addr;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
proxy_set_header X-Forwarded-Proto $scheme;
proxy_set_header X-Forwarded-Host $host;
proxy_set_header X-Forwarded-Server $hostname;
"""
# As NixOS has them all; some may be told where they are by what the modules set on the unit.
EXPORTER_UNIT = f"""\
[Unit]
Description=Prometheus exporter of {{name}}
After=network.target

[Service]
DynamicUser=true
User={{name}}-exporter
Group={{name}}-exporter
UMask=0077
LoadCredential={{configuration}}
ExecStart={{command}}
Restart=always
{SANDBOX}{REDIS_SANDBOX}
[Install]
WantedBy=multi-user.target
"""
# Debian has no exporter of StatsD.
EXPORTERS = {
    "mysqld": "/usr/bin/prometheus-mysqld-exporter --config.my-cnf=${CREDENTIALS_DIRECTORY}/config "
    "--web.listen-address={address}",
    "redis": "/usr/bin/prometheus-redis-exporter -web.listen-address={address}",
    "statsd": "/opt/airflow/bin/python /opt/statsd_exporter.py --web.listen-address={address}",
}
# What tests/nixos/support/default.nix adds to a host.
S3_UNIT = """\
[Unit]
Description=S3 API
Before=airflow-scheduler.service

[Service]
DynamicUser=true
ExecStart=/opt/airflow/bin/moto_server -H 0.0.0.0 -p 5000
ExecStartPost=/usr/bin/curl --silent --show-error --fail --retry 60 --retry-delay 1 --retry-connrefused \\
  --request PUT http://127.0.0.1:5000/events

[Install]
WantedBy=multi-user.target
"""
OIDC_UNIT = """\
[Unit]
Description=Server of OpenID Connect

[Service]
DynamicUser=true
LoadCredential=secret:/etc/credentials/oidc-client-secret
ExecStart=/opt/airflow/bin/python /opt/oidc_server.py 9400 airflow %d/secret http://localhost/auth/oauth-authorized/oidc
"""
MAIL_UNIT = """\
[Unit]
Description=Mail server

[Service]
DynamicUser=true
Environment=PYTHONUNBUFFERED=1
ExecStart=/opt/airflow/bin/python -m aiosmtpd -n -l 127.0.0.1:2525

[Install]
WantedBy=multi-user.target
"""


def write_units(root: Path, units: Path, settings: Mapping[str, Any]) -> None:
    """Write the units of the services that a host has.

    Args:
        root: the folder that becomes the machine's root.
        units: the folder of units.
        settings: the host's host.json.
    """
    write(units / "s3.service", S3_UNIT)
    write(units / "oidc.service", OIDC_UNIT)
    write(units / "mail.service", MAIL_UNIT)
    if settings["mysql"]:
        write(units / "mysql.service", MYSQL_UNIT)
    if hosts := settings["nginx"]:
        content = _nginx(hosts)
        # As on NixOS, another configuration is another unit.
        path = f"/etc/nginx/{hashlib.sha256(content.encode()).hexdigest()[:16]}.conf"
        write(root / path[1:], content)
        prepare = "".join(
            NGINX_CERTIFICATE.format(name=name) for name, host in hosts.items() if host["forceSSL"]
        )
        write(units / "nginx.service", NGINX_UNIT.format(configuration=path, prepare=prepare))
    for name, server in settings["redis"].items():
        password = server["requirePassFile"]
        prepare = (
            REDIS_PASSWORD.format(file=password, target=_redis_password(name), user=server["user"])
            if password
            else ""
        )
        unit = REDIS_UNIT.format(name=name, user=server["user"], prepare=prepare)
        write(units / f"redis-{name}.service", unit)
    for name, exporter in settings["exporters"].items():
        address = f"{exporter['listenAddress']}:{exporter['port']}"
        command = " ".join([EXPORTERS[name].replace("{address}", address), *exporter["extraFlags"]])
        configuration = f"config:{exporter['configFile']}" if "configFile" in exporter else ""
        unit = EXPORTER_UNIT.format(name=name, command=command, configuration=configuration)
        write(units / f"prometheus-{name}-exporter.service", unit)


def write_configuration(root: Path, settings: Mapping[str, Any]) -> None:
    """Write the configuration of those services.

    Args:
        root: the folder that becomes the machine's root.
        settings: the host's host.json.
    """
    etc = root / "etc"
    if mysql := settings["mysql"]:
        lines = [
            f"{key} = {_mysql_value(value)}"
            for key, value in {**mysql["settings"]["mysqld"], **MYSQL_SETTINGS}.items()
        ]
        client = ["[client]", f"socket = {MYSQL_SETTINGS['socket']}"]
        write(etc / "my.cnf", "\n".join(["[mysqld]", *lines, *client, ""]))
        write(etc / "mysql-ensure.sql", _mysql_ensure(mysql))
    for name, server in settings["redis"].items():
        write(etc / f"redis-{name}.conf", _redis(name, server))


def _mysql_value(value: object) -> str:
    return {True: "ON", False: "OFF"}[value] if isinstance(value, bool) else str(value)


def _mysql_ensure(mysql: Mapping[str, Any]) -> str:
    """Return what makes the databases and users: an OS user is the database user of the same name."""
    lines = [f"CREATE DATABASE IF NOT EXISTS `{name}`;" for name in mysql["ensureDatabases"]]
    for user in mysql["ensureUsers"]:
        account = f"'{user['name']}'@'localhost'"
        lines.append(f"CREATE USER IF NOT EXISTS {account} IDENTIFIED WITH auth_socket;")
        lines += [
            f"GRANT {permission} ON {where} TO {account};"
            for where, permission in user["ensurePermissions"].items()
        ]
    return "\n".join([*lines, ""])


def _redis_password(name: str) -> str:
    return f"/run/redis-{name}/password.conf"


def _redis(name: str, server: Mapping[str, Any]) -> str:
    lines = [
        "supervised systemd",
        f"port {server['port']}",
        f"dir /var/lib/redis-{name}",
        f"unixsocket {server['unixSocket']}",
        f"unixsocketperm {server['unixSocketPerm']}",
        f"appendonly {'yes' if server['appendOnly'] else 'no'}",
    ]
    if server["bind"]:
        lines.append(f"bind {server['bind']}")
    if server["requirePassFile"]:
        lines.append(f"include {_redis_password(name)}")
    return "\n".join([*lines, ""])


def _nginx(hosts: Mapping[str, Any]) -> str:
    servers = ""
    for name, host in hosts.items():
        locations = ""
        for path, location in host["locations"].items():
            body = f"proxy_pass {location['proxyPass']};\n" if location["proxyPass"] else ""
            body += NGINX_WEBSOCKETS if location["proxyWebsockets"] else ""
            body += NGINX_RECOMMENDED if location["recommendedProxySettings"] else ""
            locations += f"location {path} {{\n{body}{location['extraConfig']}}}\n"
        server = NGINX_TLS if host["forceSSL"] else NGINX_PLAIN
        servers += server.format(name=json.dumps(name), locations=locations)
    return NGINX.format(servers=servers)
