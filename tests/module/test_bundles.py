"""DAG bundles beside the folder of DAGs."""

import json

import pytest

from tests.module.system import System, refusals, system


def host(bundles: str) -> System:
    return system(f"{{ services.airflow = {{ enable = true; dagBundles = {bundles}; }}; }}")


def test_a_folder_and_a_repository_are_bundles_beside_the_folder_of_dags() -> None:
    both = host("""{
      reports.path = "/srv/reports";
      acme = {
        git = { url = "git@git.example.org:acme/dags.git"; keyFile = "/run/agenix/dags-key"; };
        refreshInterval = 60;
      };
    }""")
    found = json.loads(both.settings["dag_processor"]["dag_bundle_config_list"])
    assert [(bundle["name"], bundle["classpath"].rpartition(".")[2]) for bundle in found] == [
        ("dags-folder", "LocalDagBundle"),
        ("acme", "GitDagBundle"),
        ("reports", "LocalDagBundle"),
    ]
    assert found[1]["kwargs"] == {
        "repo_url": "git@git.example.org:acme/dags.git",
        "tracking_ref": "main",
        "subdir": None,
        "refresh_interval": 60,
    }
    assert found[2]["kwargs"] == {"path": "/srv/reports", "refresh_interval": 300}
    # Old commits are cleaned up.
    assert "stale_bundle_cleanup_interval" not in both.settings["dag_processor"]


def test_the_key_is_a_credential_of_those_who_read_dags() -> None:
    both = host("""{
      acme.git = { url = "git@git.example.org:acme/dags.git"; keyFile = "/run/agenix/dags-key"; };
      open.git.url = "https://git.example.org/open/dags.git";
    }""")
    for unit in ("airflow-dag-processor.service", "airflow-worker.service"):
        assert both.credentials(unit)["dag-bundle-acme"] == "/run/agenix/dags-key"
        assert "-i %d/dag-bundle-acme" in both.environment(unit)["GIT_SSH_COMMAND"]
        assert "StrictHostKeyChecking=yes" in both.environment(unit)["GIT_SSH_COMMAND"]
        folder = both.environment(unit)["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH"]
        assert folder.startswith("/var/lib/airflow")
    for unit in ("airflow-webserver.service", "airflow-scheduler.service"):
        assert "dag-bundle-acme" not in both.credentials(unit)
        assert "GIT_SSH_COMMAND" not in both.environment(unit)


@pytest.mark.parametrize(
    "bundle", ["{ }", '{ path = "/srv/dags"; git.url = "https://git.example.org/dags.git"; }']
)
def test_a_bundle_is_a_folder_or_a_repository(bundle: str) -> None:
    (refusal,) = refusals(f"{{ services.airflow = {{ enable = true; dagBundles.acme = {bundle}; }}; }}")
    assert refusal.startswith(
        "services.airflow.dagBundles.acme: set path to a folder, or git to a repository"
    )
