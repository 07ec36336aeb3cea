# The DAG files, apart from the rest of the repository.
{ lib, runCommandLocal }:

runCommandLocal "etl-dags" { } ''
  mkdir $out
  cp ${
    lib.fileset.toSource {
      root = ../../workflows/dags;
      fileset = lib.fileset.fileFilter (file: file.hasExt "py") ../../workflows/dags;
    }
  }/*.py $out/
''
