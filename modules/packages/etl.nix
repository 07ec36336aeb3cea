# The jobs, as a package of whichever Python set it is called with (`ps.callPackage`).
{
  lib,
  buildPythonPackage,
  hatchling,

  alembic,
  backports-zstd,
  boto3,
  msgspec,
  mysqlclient,
  rich,
  sqlalchemy,
}:

let
  inherit (lib) fileset;
  root = ../..;
in
buildPythonPackage {
  pname = "etl";
  version = (lib.importTOML (root + "/pyproject.toml")).project.version;
  pyproject = true;

  # No more than the build reads: a change elsewhere restarts no worker.
  src = fileset.toSource {
    inherit root;
    fileset = fileset.unions [
      (root + "/pyproject.toml")
      (fileset.fileFilter (file: !file.hasExt "pyc") (root + "/workflows/etl"))
    ];
  };

  build-system = [ hatchling ];

  dependencies = [
    alembic
    backports-zstd
    boto3
    msgspec
    mysqlclient
    rich
    sqlalchemy
  ];

  # The versions of whichever set it is.
  pythonRelaxDeps = true;

  pythonImportsCheck = [
    "etl.cli"
    "etl.lambda_handlers"
  ];

  meta = {
    description = "S3 JSON events to a warehouse, and statistics per organization";
    mainProgram = "etl";
  };
}
